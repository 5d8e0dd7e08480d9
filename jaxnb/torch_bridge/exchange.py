"""Handing the memory of tensors to JAX and back."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from jaxnb._types import Array, ArrayLike
from jaxnb.torch_bridge import _private, cuda

__all__ = ["call", "refuse_without_values", "to_jax", "to_torch"]

_NARROWED_WITHOUT_X64 = {
    torch.float64: "float32",
    torch.complex128: "complex64",
    torch.int64: "int32",
    torch.uint64: "uint32",
}

_private.hide_jax_from_the_compiler()


@torch.compiler.disable
def to_jax(tensor: Tensor, *, copy: bool = True) -> Array:
    """A tensor as a JAX array of the same dtype on the same device.

    Args:
        tensor: A real or complex tensor with dense memory. Conjugate and negative views, slices and
            transposes are resolved to plain memory first.
        copy: Whether to copy. Without, the array shares the tensor's memory, and a later in-place
            change of the tensor changes an array that JAX takes to be constant.

    Raises:
        TypeError: No tensor; one without values (fake, meta, or wrapped by a transform); sparse or
            quantized.
        ValueError: It requires grad, which would be lost; it is 64 bits wide while JAX's 64-bit
            types are disabled, which would round it; or `copy` is false and its memory cannot be
            shared as it is.
        RuntimeError: JAX has no such device, or this process was forked from one that ran JAX.
    """
    refuse_without_values(tensor)
    if tensor.requires_grad:
        raise ValueError(
            "the tensor requires grad, which is lost in JAX: pass tensor.detach(), or call"
            " the functions of jaxnb.torch_bridge, which differentiate"
        )
    narrowed = _NARROWED_WITHOUT_X64.get(tensor.dtype)
    if narrowed and jnp.result_type(float).itemsize < 8:
        raise ValueError(
            f"JAX would round {tensor.dtype} to {narrowed}: convert the tensor to a 32-bit dtype,"
            ' or call jax.config.update("jax_enable_x64", True) first'
        )
    _refuse_forked_child()
    _jax_device(tensor.device)
    plain = tensor.resolve_conj().resolve_neg()
    if copy and tensor.is_cuda:
        return cuda.owned_by_jax(plain.contiguous(), copy=True)
    if copy:
        return _imported(plain.clone(memory_format=torch.contiguous_format))
    if not plain.is_contiguous():
        raise ValueError("the tensor is not contiguous: pass copy=True, or tensor.contiguous()")
    array = _imported(plain)
    if array.unsafe_buffer_pointer() != tensor.data_ptr():  # JAX copies what is not aligned
        raise ValueError("JAX cannot share this memory (it is a view at an offset): pass copy=True")
    return array


@torch.compiler.disable
def to_torch(array: Array, *, copy: bool = True) -> Tensor:
    """A JAX array as a tensor of the same dtype on the same device.

    Args:
        array: An array on one device.
        copy: Whether to copy. Without, the tensor shares the array's memory, and an in-place change
            of the tensor changes an array that JAX takes to be constant.

    Raises:
        TypeError: No JAX array, or one that is being traced and has no values.
        ValueError: The array is on several devices.
        RuntimeError: This process was forked from one that ran JAX.
    """
    if not isinstance(array, jax.Array) or isinstance(array, jax.core.Tracer):
        raise TypeError(f"expected a JAX array with values, got {type(array).__name__}")
    if len(array.devices()) > 1:
        raise ValueError("the array is on several devices: gather it with jax.device_put first")
    _refuse_forked_child()
    if next(iter(array.devices())).platform == "gpu":
        shared = cuda.shared_on_current_stream(array)
    else:
        shared = from_dlpack(jax.block_until_ready(array))
    return shared.clone() if copy else shared


def call(
    function: Callable[..., Sequence[Array]], first: ArrayLike | None, tensors: Sequence[Tensor]
) -> list[Tensor]:
    """The results of a compiled function of (first, *tensors), on the tensors' device.

    The tensors are contiguous, detached, of one dtype, float32 or float64, and on one device. They
    are not copied. On the CPU the results are waited for, so that no tensor is read after the call;
    `cuda` says how that is ordered on a GPU.
    """
    _refuse_forked_child()
    device = tensors[0].device
    if device.type == "xla":
        return _call_in_torch_xla(function, first, tensors)
    x64 = tensors[0].dtype == torch.float64
    with _settings(x64, _jax_device(device)):
        if device.type == "cuda":
            return cuda.call(function, first, tensors)
        # A view by numpy takes a third of the time of DLPack.
        arrays = [tensor.numpy() for tensor in tensors]
        results = function(first, *arrays)
        if any(isinstance(result, jax.core.Tracer) for result in results):
            with jax.ensure_compile_time_eval():  # constants for the program that is being traced
                results = function(first, *arrays)
        ready = [result.block_until_ready() for result in results]
        return [from_dlpack(_private.to_capsule(result)) for result in ready]


def _settings(x64: bool, device: jax.Device) -> AbstractContextManager[Any]:
    """JAX's settings for a call, whatever the caller's are.

    All are of this thread alone, so that the threads of autograd do not matter. To enter them takes
    longer than to see that they are what they should be.
    """
    config: Any = jax.config
    stack = ExitStack()
    if config.jax_enable_x64 != x64:
        stack.enter_context(jax.enable_x64(x64))
    chosen = config.jax_default_device
    if chosen != device and (chosen is not None or device != _first_device()):
        stack.enter_context(jax.default_device(device))
    if config.jax_transfer_guard_host_to_device not in (None, "allow"):
        # The memory is handed over on purpose, and where it can be shared nothing is transferred.
        stack.enter_context(jax.transfer_guard_host_to_device("allow"))
    return stack


@cache
def _first_device() -> jax.Device:
    return jax.local_devices()[0]


@cache
def _jax_device(device: torch.device) -> jax.Device:
    """The JAX device on which a tensor's memory is.

    Raises:
        RuntimeError: JAX has no such device here.
    """
    if device.type == "cuda" and torch.version.hip is not None:
        raise RuntimeError(
            "the bridge does not support ROCm, whose streams it has not been written for: move the"
            " tensors with .cpu() first"
        )
    platform = {"cpu": "cpu", "cuda": "gpu"}.get(device.type)
    if platform is None:
        raise RuntimeError(
            f"tensors on {device} cannot be handed to JAX: move them with .cpu() first"
        )
    try:
        candidates = jax.local_devices(backend=platform)
    except RuntimeError:
        candidates = []
    for candidate in candidates:
        if device.type == "cpu" or candidate.local_hardware_id == (device.index or 0):
            return candidate
    remedy = {
        "cpu": "leave JAX_PLATFORMS unset, or add cpu to it",
        "gpu": 'install JAX for it, pip install "jax[cuda13]", or move the tensors with .cpu()',
    }
    raise RuntimeError(
        f"the tensors are on {device}, but JAX only has {jax.devices()}: {remedy[platform]}"
    )


def _imported(tensor: Tensor) -> Array:
    if tensor.is_cuda:
        return cuda.owned_by_jax(tensor, copy=False)
    return jax.block_until_ready(jax.dlpack.from_dlpack(tensor))


def _call_in_torch_xla(
    function: Callable[..., Sequence[Array]], first: ArrayLike | None, tensors: Sequence[Tensor]
) -> list[Tensor]:
    """The function traced into torch_xla's own graph, which needs no exchange of memory."""
    from torch_xla.core.xla_builder import call_jax

    with jax.enable_x64(tensors[0].dtype == torch.float64):
        return list(call_jax(function, (first, *tensors)))


def refuse_without_values(tensor: Tensor) -> None:
    """Raise unless the tensor has dense memory of its own.

    Raises:
        TypeError: It is not a tensor, fake, meta, being transformed, sparse, or quantized.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"expected a torch tensor, got {type(tensor).__name__}")
    if _private.has_no_values(tensor):
        raise TypeError("the tensor has no values here (it is fake, meta, or being transformed)")
    if tensor.layout != torch.strided:
        raise TypeError(f"the tensor has the layout {tensor.layout}: pass tensor.to_dense()")
    if tensor.is_quantized:
        raise TypeError("the tensor is quantized: pass tensor.dequantize()")


# A forked child inherits JAX's locks but not its threads, and would wait for them for ever.
_called_jax = False
_forked_after_jax = _private.inherited_jax()  # before this module could take note of a fork


def _note_fork() -> None:
    global _forked_after_jax
    jax_has_run = _private.jax_has_run(through_the_bridge=_called_jax)
    _forked_after_jax = _forked_after_jax or jax_has_run


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def _refuse_forked_child() -> None:
    """Raise where JAX would hang.

    Raises:
        RuntimeError: This process was forked from one that had run JAX.
    """
    global _called_jax
    _called_jax = True
    if _forked_after_jax:
        raise RuntimeError(
            "this process was forked from one that had used JAX, which would deadlock in it: start"
            ' workers with multiprocessing_context="spawn" (or "forkserver")'
        )
