"""Every private name of torch and JAX that the bridge uses, in one place.

Each is looked up once, and may be gone from the version that is installed. What is done without it
is safe: a public way to learn the same, the slower of two correct ways, or an error that says so.
"""

from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.distributions import Distribution

from jaxnb._types import Array

__all__ = [
    "NAMES",
    "PrivateName",
    "copy_validation",
    "differentiating_transform_is_active",
    "dispatch_mode_is_active",
    "forward_mode_enabled",
    "forward_mode_is_active",
    "forward_mode_is_enabled",
    "function_transform_is_active",
    "graph_is_kept",
    "has_no_values",
    "hide_jax_from_the_compiler",
    "inherited_jax",
    "is_tracing",
    "is_transformed",
    "jax_has_run",
    "to_capsule",
    "validates",
]


class PrivateName(NamedTuple):
    """A private name, what it is for, and what is done where it does not exist."""

    module: str
    name: str
    purpose: str
    without: str

    def find(self) -> Any:
        """The object, or None where this version has none of that name."""
        try:
            found: Any = import_module(self.module)
        except ImportError:
            return None
        for part in self.name.split("."):
            found = getattr(found, part, None)
        return found


NAMES = {
    "backends_are_initialized": PrivateName(
        "jax._src.xla_bridge",
        "backends_are_initialized",
        "whether a process has used JAX, which its forked children then cannot",
        "only a use of JAX through the bridge is known of",
    ),
    "to_capsule": PrivateName(
        "jaxlib._jax",
        "buffer_to_dlpack_managed_tensor",
        "a result on the CPU without the checks of its __dlpack__, which take longer than the rest",
        "__dlpack__ is called",
    ),
    "keeps_graph": PrivateName(
        "torch._C",
        "_autograd._get_current_graph_task_keep_graph",
        "whether a backward pass may come again, so that what was saved for it has to stay",
        "one is taken to come again, and no saved derivative is multiplied in place",
    ),
    "is_functorch_wrapped_tensor": PrivateName(
        "torch._C",
        "_functorch.is_functorch_wrapped_tensor",
        "whether torch.func has wrapped a tensor, which then has no memory of its own",
        "its memory is asked for, which such a tensor refuses",
    ),
    "is_legacy_batchedtensor": PrivateName(
        "torch._C",
        "_functorch.is_legacy_batchedtensor",
        "whether a gradient is one of a batch (is_grads_batched), which no in-place product takes",
        "no product is computed in place",
    ),
    "peek_interpreter_stack": PrivateName(
        "torch._C",
        "_functorch.peek_interpreter_stack",
        "whether a transform of torch.func is active, so that its rules have to be followed",
        "one is taken to be active, which is slower",
    ),
    "get_interpreter_stack": PrivateName(
        "torch._C",
        "_functorch.get_interpreter_stack",
        "whether compiled code is inside torch.func.grad or another transform that differentiates",
        "none is taken to be active, and such code raises torch's error",
    ),
    "TransformType": PrivateName(
        "torch._C",
        "_functorch.TransformType",
        "which of the transforms differentiate",
        "none is taken to be active, and such code raises torch's error",
    ),
    "skip_when_compiling": PrivateName(
        "torch._dynamo.trace_rules",
        "add",
        "that the compiler does not look into JAX where compiled code calls it",
        "a first call of JAX from there raises JAX's error",
    ),
    "len_torch_dispatch_stack": PrivateName(
        "torch._C",
        "_len_torch_dispatch_stack",
        "whether a dispatch mode (such as FakeTensorMode) has to see the operator",
        "one is taken to be active, which is slower",
    ),
    "current_level": PrivateName(
        "torch.autograd.forward_ad",
        "_current_level",
        "whether forward mode is active",
        "a dual number is made on trial, which fails where it is not",
    ),
    "is_fwd_grad_enabled": PrivateName(
        "torch._C",
        "_is_fwd_grad_enabled",
        "whether forward mode records: in the forward of an autograd.Function it does not",
        "it is taken to record, and then the operator refuses",
    ),
    "set_fwd_grad_enabled": PrivateName(
        "torch.autograd.forward_ad",
        "_set_fwd_grad_enabled",
        "forward mode inside forward mode, which torch disables in the jvp of a Function",
        "RuntimeError",
    ),
    "FakeTensor": PrivateName(
        "torch._subclasses",
        "FakeTensor",
        "whether a tensor has a shape but no values",
        "the names of its classes are compared",
    ),
    "is_tracing": PrivateName(
        "torch.jit",
        "is_tracing",
        "whether torch.jit.trace records what is called; exported, but not documented",
        "a torch without torch.jit does not trace",
    ),
    "validate_args": PrivateName(
        "torch.distributions",
        "Distribution._validate_args",
        "whether a distribution was asked to check its arguments, or all are by default",
        "values are not checked",
    ),
}

_found = {key: name.find() for key, name in NAMES.items()}


def jax_has_run(*, through_the_bridge: bool) -> bool:
    """Whether this process has started JAX; asking does not start it."""
    initialized = _found["backends_are_initialized"]
    return through_the_bridge if initialized is None else bool(initialized())


_FORKED_WITHOUT_EXEC = 0x40  # PF_FORKNOEXEC of Linux
_XLA_THREADS = "tf_"  # how the names of the threads of XLA's pools begin


def to_capsule(array: Array) -> Any:
    """What `torch.utils.dlpack.from_dlpack` takes for an array on the CPU that is ready."""
    capsule = _found["to_capsule"]
    return array if capsule is None else capsule(array)


def graph_is_kept() -> bool:
    """Whether the backward pass that runs has been asked to keep what was saved for it."""
    keeps = _found["keeps_graph"]
    return keeps is None or bool(keeps())


def inherited_jax(process: Path = Path("/proc/self")) -> bool:
    """Whether this process got JAX, started but without its threads, by a fork.

    Both signs are needed: a process that was forked may have started JAX itself, and threads may
    have other names in another version. Only Linux has these files; elsewhere the answer is "no".
    """
    if not jax_has_run(through_the_bridge=False):
        return False
    try:
        flags = int((process / "stat").read_text().rpartition(")")[2].split()[6])
        threads = [(task / "comm").read_text() for task in (process / "task").iterdir()]
    except (OSError, ValueError, IndexError):
        return False
    has_threads = any(name.startswith(_XLA_THREADS) for name in threads)
    return bool(flags & _FORKED_WITHOUT_EXEC) and not has_threads


def hide_jax_from_the_compiler() -> None:
    """Let `torch.compile` call JAX's functions as they are."""
    if (skip := _found["skip_when_compiling"]) is not None:
        skip("jax")


def is_transformed(tensor: Tensor) -> bool:
    """Whether the tensor is wrapped by `torch.func`, or a batch of gradients."""
    legacy = _found["is_legacy_batchedtensor"]
    return _is_wrapped(tensor) or legacy is None or bool(legacy(tensor))


def has_no_values(tensor: Tensor) -> bool:
    """Whether the tensor is fake, on the meta device, or wrapped by `torch.func`."""
    return tensor.is_meta or _is_fake(tensor) or _is_wrapped(tensor)


def _is_wrapped(tensor: Tensor) -> bool:
    wrapped = _found["is_functorch_wrapped_tensor"]
    if wrapped is not None:
        return bool(wrapped(tensor))
    if tensor.layout != torch.strided:
        return False
    try:
        tensor.data_ptr()
    except RuntimeError:
        return True
    return False


def _is_fake(tensor: Tensor) -> bool:
    fake = _found["FakeTensor"]
    if fake is not None:
        return isinstance(tensor, fake)
    return any(base.__name__ == "FakeTensor" for base in type(tensor).__mro__)


def function_transform_is_active() -> bool:
    """Whether the code runs inside `torch.func.grad`, `vmap` and the like."""
    stack = _found["peek_interpreter_stack"]
    return stack is None or stack() is not None


@torch.compiler.assume_constant_result
def differentiating_transform_is_active() -> bool:
    """Whether the code runs inside `torch.func.grad`, `jvp` or the like, `vmap` not among them.

    While code is compiled too: the compiler calls it and takes the result for a constant.
    """
    stack, kinds = _found["get_interpreter_stack"], _found["TransformType"]
    if stack is None or kinds is None:
        return False
    return any(entry.key() in (kinds.Grad, kinds.Jvp) for entry in stack() or ())


def dispatch_mode_is_active() -> bool:
    """Whether some `TorchDispatchMode` is entered."""
    length = _found["len_torch_dispatch_stack"]
    return length is None or length() > 0


def forward_mode_is_active() -> bool:
    """Whether the code runs inside `torch.autograd.forward_ad.dual_level` or `torch.func.jvp`."""
    level = getattr(forward_ad, "_current_level", None)
    if level is not None:
        return bool(level >= 0)
    try:
        forward_ad.make_dual(torch.zeros(()), torch.zeros(()))
    except RuntimeError:
        return False
    return True


def forward_mode_is_enabled() -> bool:
    """Whether forward mode, if active, records what is computed now."""
    enabled = _found["is_fwd_grad_enabled"]
    return enabled is None or bool(enabled())


def forward_mode_enabled() -> AbstractContextManager[None]:
    """A context in which forward mode records.

    Raises:
        RuntimeError: This version of torch has no such context.
    """
    set_enabled = _found["set_fwd_grad_enabled"]
    if set_enabled is None:
        raise RuntimeError(
            f"torch {torch.__version__} lacks torch.autograd.forward_ad._set_fwd_grad_enabled,"
            " which forward-mode derivatives of jaxnb's functions need: use reverse mode"
            " (backward, torch.func.grad, jacrev)"
        )
    context: AbstractContextManager[None] = set_enabled(True)
    return context


def validates(distribution: Distribution) -> bool:
    """Whether the distribution checks its arguments."""
    return bool(getattr(distribution, "_validate_args", False))


def is_tracing() -> bool:
    """Whether `torch.jit.trace` is at work."""
    tracing = _found["is_tracing"]
    return tracing is not None and bool(tracing())


def copy_validation(source: Distribution, target: Distribution) -> None:
    """Let one distribution check its arguments if the other does."""
    target._validate_args = validates(source)
