"""Checking the arguments, and casting them to one dtype and device by torch's rules."""

from functools import reduce
from typing import Any

import torch
from torch import Tensor

from jaxnb._types import Array
from jaxnb.likelihoods import arguments as of_arrays
from jaxnb.likelihoods.arguments import Pair, Scales

__all__ = [
    "Arguments",
    "Given",
    "Value",
    "broadcastable",
    "cast",
    "common_dtype",
    "on_scales",
    "required",
    "working_dtype",
]

Value = Tensor | float
Given = Value | None | Pair
Arguments = dict[str, Value]


def on_scales(
    owner: str, **parameters: tuple[Value | None, Value | None]
) -> tuple[list[Value], Scales]:
    """The values given for each parameter, a pair (itself, its logarithm), and their scales.

    Raises:
        TypeError: A parameter is given on no scale, or on both.
    """
    return of_arrays.either_scale(owner, **parameters)


def required(owner: str, **argument: Value | None) -> Value:
    """The value of an argument without which the function is not defined.

    Raises:
        TypeError: It is None.
    """
    value: Value = of_arrays.needed(owner, **argument)
    return value


def common_dtype(owner: str, arguments: Arguments) -> torch.dtype:
    """The dtype that the floating tensors promote to; those without axes count if all are.

    Raises:
        TypeError: No argument is a tensor, or one is complex, sparse, quantized or no number.
    """
    given: dict[str, Any] = {**arguments}
    for name, value in given.items():
        if isinstance(value, (str, bytes, Array)):
            kind = "an array of JAX" if isinstance(value, Array) else repr(value)
            raise TypeError(f"{name} must be a tensor or a number, got {kind}")
    tensors = {name: a for name, a in arguments.items() if isinstance(a, Tensor)}
    if not tensors:
        raise TypeError(f"{owner} needs at least one tensor: for arrays there is jaxnb.{owner}")
    for name, tensor in tensors.items():
        _check(name, tensor)
    floating = [t for t in tensors.values() if t.is_floating_point()]
    leading = [t.dtype for t in floating if t.dim() > 0] or [t.dtype for t in floating]
    return reduce(torch.promote_types, leading or [torch.get_default_dtype()])


def working_dtype(result_type: torch.dtype) -> torch.dtype:
    """Half precision is computed in float32, as a formula of many terms has to be."""
    return torch.float32 if result_type.itemsize < 4 else result_type


def cast(arguments: Arguments, dtype: torch.dtype) -> dict[str, Tensor]:
    """The arguments as tensors of that dtype on the tensors' device.

    Raises:
        ValueError: The tensors are on different devices. One without axes may be on the CPU.
    """
    device = _common_device({n: a for n, a in arguments.items() if isinstance(a, Tensor)})
    return {
        name: a.to(device, dtype)
        if isinstance(a, Tensor)
        else torch.tensor(a, dtype=dtype, device=device)
        for name, a in arguments.items()
    }


def broadcastable(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as views of one shape.

    Raises:
        ValueError: There is no such shape.
    """
    try:
        views = torch.broadcast_tensors(*tensors.values())
    except RuntimeError:
        shapes = ", ".join(f"{name} {tuple(t.shape)}" for name, t in tensors.items())
        raise ValueError(f"arguments do not broadcast together: {shapes}") from None
    return dict(zip(tensors, views, strict=True))


def _check(name: str, tensor: Tensor) -> None:
    if tensor.is_complex():
        raise TypeError(f"{name} must be real, got {tensor.dtype}")
    if tensor.layout != torch.strided:
        raise TypeError(f"{name} has the layout {tensor.layout}: pass {name}.to_dense()")
    if tensor.is_quantized:
        raise TypeError(f"{name} is quantized: pass {name}.dequantize()")


def _common_device(tensors: dict[str, Tensor]) -> torch.device:
    every = [t.device for t in tensors.values()]
    devices = [t.device for t in tensors.values() if t.dim() > 0 or t.device.type != "cpu"] or every
    if any(device != devices[0] for device in devices):
        places = ", ".join(f"{name} on {t.device}" for name, t in tensors.items())
        raise ValueError(f"the tensors are on different devices: {places}")
    return devices[0]
