"""Draws by `jaxnb.random`, seeded by torch's generators."""

from collections.abc import Callable
from functools import cache
from math import prod

import jax
import numpy as np
import torch
from torch import Tensor

from jaxnb._types import Array
from jaxnb.families import FAMILIES
from jaxnb.torch_bridge.exchange import call, refuse_without_values
from jaxnb.torch_bridge.layout import rounded_up

__all__ = ["draw"]


@torch.compiler.disable
def draw(
    name: str, shape: torch.Size, *parameters: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Counts in the dtype of the parameters.

    The number of draws is rounded up like the length of a minibatch, so that few programs are
    compiled.

    Args:
        name: The name of a distribution in `jaxnb.families`.
        shape: The shape of the draws, to which the parameters broadcast.
        parameters: Its parameters, of one floating dtype.
        generator: Where the seed comes from; torch's default one if None.
    """
    for parameter in parameters:
        refuse_without_values(parameter)
    size = prod(shape)
    result_type = parameters[0].dtype
    if size == 0:
        return torch.empty(shape, dtype=result_type, device=parameters[0].device)
    work_type = torch.float32 if result_type.itemsize < 4 else result_type
    with torch.no_grad():
        padded = rounded_up(size)
        flat = [_flattened(p.to(work_type), shape, padded) for p in parameters]
        (counts,) = call(_sampler(name, padded), _seed(generator), flat)
        return counts[:size].reshape(shape).to(result_type)


def _flattened(parameter: Tensor, shape: torch.Size, padded: int) -> Tensor:
    if parameter.numel() == 1:
        return parameter.reshape(())
    flat = parameter.expand(shape).reshape(-1)
    missing = padded - len(flat)
    return torch.cat([flat, flat[:1].expand(missing)]) if missing else flat.contiguous()


def _seed(generator: torch.Generator | None) -> np.ndarray:
    device = "cpu" if generator is None else generator.device
    words = torch.randint(2**32, (2,), dtype=torch.int64, generator=generator, device=device)
    return words.cpu().numpy().astype(np.uint32)


@cache
def _sampler(name: str, size: int) -> Callable[..., tuple[Array, ...]]:
    @jax.jit
    def sample(seed: Array, *parameters: Array) -> tuple[Array, ...]:
        key = jax.random.wrap_key_data(seed, impl="threefry2x32")
        sampler = FAMILIES[name].sampler
        return (sampler(key, *parameters, shape=(size,), dtype=parameters[0].dtype),)

    return sample
