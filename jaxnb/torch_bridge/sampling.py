"""Draws by `jaxnb.random`, seeded by torch's generators.

They are an operator of torch, with rules for fake tensors and for `vmap`, so that a distribution
can be sampled wherever its log-probability can be computed.
"""

from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from typing import Any

import jax
import numpy as np
import torch
from torch import Tensor

from jaxnb._types import Array
from jaxnb.families import FAMILIES, Family
from jaxnb.torch_bridge import _private
from jaxnb.torch_bridge.arguments import working_dtype
from jaxnb.torch_bridge.exchange import call
from jaxnb.torch_bridge.layout import batch_first, rounded_up
from jaxnb.torch_bridge.pointwise import is_plain

__all__ = ["draw"]


@torch.compiler.disable
def draw(
    name: str, shape: torch.Size, *parameters: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Counts in the dtype of the parameters.

    Args:
        name: The name of a distribution in `jaxnb.families`.
        shape: The shape of the draws, to which the parameters broadcast.
        parameters: Its parameters, of one floating dtype.
        generator: Where the seed comes from; torch's default one if None.

    Raises:
        ValueError: A parameter is negative or NaN.
    """
    constants = [p.detach() for p in parameters]
    device = "cpu" if generator is None else generator.device
    # Under vmap torch makes one seed for each example, or one for all, or refuses.
    seed = torch.randint(2**32, (2,), dtype=torch.int64, generator=generator, device=device)
    if is_plain(constants) and not _private.function_transform_is_active():
        return _drawn(constants, name, shape, seed)
    counts: Tensor = draw_counts(constants, name, shape, seed)
    return counts


@torch.library.custom_op("jaxnb::draw_counts", mutates_args=())
def draw_counts(
    parameters: Sequence[Tensor], name: str, shape: Sequence[int], seed: Tensor
) -> Tensor:
    """Counts of that shape, from a seed of two numbers below 2**32."""
    return _drawn(parameters, name, shape, seed)


@draw_counts.register_fake
def _(parameters: Sequence[Tensor], name: str, shape: Sequence[int], seed: Tensor) -> Tensor:
    return parameters[0].new_empty(shape)


@draw_counts.register_vmap
def _(
    info: Any,
    in_dims: Any,
    parameters: Sequence[Tensor],
    name: str,
    shape: Sequence[int],
    seed: Tensor,
) -> tuple[Tensor, int]:
    axes, seed_axis = in_dims[0], in_dims[3]
    batched = batch_first(parameters, axes, len(shape))
    if seed_axis is not None:  # the draws from any one seed are independent
        first = seed.select(seed_axis, 0)
        return draw_counts(batched, name, [info.batch_size, *shape], first), 0
    examples = [
        draw_counts([p[min(i, len(p) - 1)] for p in batched], name, list(shape), seed)
        for i in range(info.batch_size)
    ]
    return torch.stack(examples), 0


def _drawn(parameters: Sequence[Tensor], name: str, shape: Sequence[int], seed: Tensor) -> Tensor:
    """The draws; their number is rounded up like a minibatch, so that few programs are compiled."""
    for parameter, value in zip(FAMILIES[name].parameters, parameters, strict=True):
        _refuse_invalid(FAMILIES[name], parameter.attribute, parameter.constraint, value)
    size = prod(shape)
    result_type = parameters[0].dtype
    if size == 0:
        return parameters[0].new_empty(shape)
    with torch.no_grad():
        padded = rounded_up(size)
        flat = [_flattened(p.to(working_dtype(result_type)), shape, padded) for p in parameters]
        words = seed.cpu().numpy().astype(np.uint32)
        (counts,) = call(_sampler(name, padded), words, flat)
        return counts[:size].reshape(shape).to(result_type)


def _refuse_invalid(family: Family, name: str, constraint: str, value: Tensor) -> None:
    nonnegative = constraint == "nonnegative"
    valid = value >= 0 if nonnegative else ~value.isnan()
    if valid.all():
        return
    wrong = value[~valid]
    needed = "must be >= 0" if nonnegative else "must not be NaN"
    raise ValueError(
        f"{family.class_name} cannot be sampled: {name} {needed}, and {wrong.numel()} of"
        f" {value.numel()} values are not so, such as {wrong[0].item()}"
    )


def _flattened(parameter: Tensor, shape: Sequence[int], padded: int) -> Tensor:
    if parameter.numel() == 1:
        return parameter.reshape(())
    flat = parameter.expand(shape).reshape(-1)
    missing = padded - len(flat)
    return torch.cat([flat, flat[:1].expand(missing)]) if missing else flat.contiguous()


@cache
def _sampler(name: str, size: int) -> Callable[..., tuple[Array, ...]]:
    @jax.jit
    def sample(seed: Array, *parameters: Array) -> tuple[Array, ...]:
        key = jax.random.wrap_key_data(seed, impl="threefry2x32")
        sampler = FAMILIES[name].sampler
        return (sampler(key, *parameters, shape=(size,), dtype=parameters[0].dtype),)

    return sample
