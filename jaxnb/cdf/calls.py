"""What every distribution function does with its arguments, and what is computed of a kernel."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.search import Level, level, log_level, smallest_count
from jaxnb.cdf.tails import Tails
from jaxnb.likelihoods.arguments import Given, Scales, argument, checked, on_scales, promote

__all__ = ["Given", "Kernel", "log_tail", "mean_and_theta", "quantile"]


class Kernel(NamedTuple):
    """A distribution, as functions of arguments that are cast to one dtype and aligned.

    All of them take `scales`, one for each parameter that has a logarithm; those come first.

    Attributes:
        log_tails: Of (scales, x, *parameters), log F and log(1 - F).
        log_probability: Of (scales, x, *parameters).
        start: Of (scales, log_lower, log_upper, *parameters), the quantile, roughly.
        upper_end: Of (scales, *parameters), a number that is positive unless the distribution is a
            point mass.
        lowest: The smallest count.
    """

    log_tails: Callable[..., Tails]
    log_probability: Callable[..., Array]
    start: Callable[..., Array]
    upper_end: Callable[..., Array]
    lowest: int = 0


def mean_and_theta(
    mu: ArrayLike | None,
    theta: ArrayLike | None,
    log_mu: ArrayLike | None,
    log_theta: ArrayLike | None,
) -> dict[str, Given]:
    """The parameters that most distributions have, as `log_tail` and `quantile` take them."""
    return {"mu": (mu, log_mu), "theta": (theta, log_theta)}


def log_tail(kernel: Kernel, owner: str, upper: bool, x: ArrayLike, **parameters: Given) -> Array:
    """log(1 - F) if `upper`, else log F, for the arguments of the public function `owner`."""
    names, values, scales = checked(owner, parameters)
    result: Array = _log_tail(kernel, upper, scales, names, argument("x", x), *values)
    return result


def quantile(
    kernel: Kernel,
    owner: str,
    q: ArrayLike | None,
    log_q: ArrayLike | None,
    upper: bool,
    **parameters: Given,
) -> Array:
    """The quantile for the arguments of the public function `owner`."""
    (probability,), (kind,) = on_scales(owner, q=(q, log_q))
    names, values, scales = checked(owner, parameters)
    result: Array = _quantile(kernel, kind == "log", upper, scales, names, probability, *values)
    return result


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _log_tail(
    kernel: Kernel,
    upper: bool,
    scales: Scales,
    names: tuple[str, ...],
    x: ArrayLike,
    *parameters: ArrayLike,
) -> Array:
    result_type, (x, *aligned) = promote(x=x, **dict(zip(names, parameters, strict=True)))
    return kernel.log_tails(scales, x, *aligned)[upper].astype(result_type)


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4))
def _quantile(
    kernel: Kernel,
    logarithm: bool,
    upper: bool,
    scales: Scales,
    names: tuple[str, ...],
    q: ArrayLike,
    *parameters: ArrayLike,
) -> Array:
    result_type, arguments = promote(x=q, **dict(zip(names, parameters, strict=True)))
    q, *aligned = map(lax.stop_gradient, arguments)
    q = jnp.broadcast_to(q, jnp.broadcast_shapes(*(a.shape for a in arguments)))
    target = log_level(q, upper) if logarithm else level(q, upper)

    count = smallest_count(
        partial(kernel.log_tails, scales),
        partial(kernel.log_probability, scales),
        target,
        kernel.start(scales, target.log_lower, target.log_upper, *aligned),
        aligned,
    )
    count = jnp.maximum(count, kernel.lowest)
    count = _at_ends(count, target, kernel.upper_end(scales, *aligned) > 0)
    return jnp.where(_valid(scales, aligned), count, jnp.nan).astype(result_type)


def _at_ends(count: Array, target: Level, unbounded: Array) -> Array:
    """Infinity where all of the probability is to be reached, NaN where `target` is none."""
    q = target.value
    lowest, highest = (-jnp.inf, 0.0) if target.logarithm else (0.0, 1.0)
    everything = q == (lowest if target.upper else highest)
    count = jnp.where(everything & unbounded, jnp.inf, count)
    return jnp.where((q >= lowest) & (q <= highest), count, jnp.nan)


def _valid(scales: Scales, parameters: list[Array]) -> Array:
    """Whether none is NaN, nor one on the linear scale negative."""
    valid = jnp.asarray(True)
    for place, parameter in enumerate(parameters):
        linear = place < len(scales) and scales[place] == "linear"
        valid = valid & (parameter >= (0.0 if linear else -jnp.inf))
    return valid
