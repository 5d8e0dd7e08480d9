"""Log-probabilities of intervals, of every distribution, for censored and truncated counts."""

from functools import partial

import jax

from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.calls import Kernel
from jaxnb.cdf.interval_kernel import log_probability_of_interval
from jaxnb.likelihoods.arguments import Given, Scales, argument, checked, promote

__all__ = ["log_interval"]


def log_interval(
    kernel: Kernel, owner: str, low: ArrayLike, high: ArrayLike, **parameters: Given
) -> Array:
    """The log-probability of an interval, for the arguments of the public function `owner`."""
    names, values, scales = checked(owner, parameters)
    ends = argument("low", low), argument("high", high)
    result: Array = _log_interval(kernel, scales, names, *ends, *values)
    return result


@partial(jax.jit, static_argnums=(0, 1, 2))
def _log_interval(
    kernel: Kernel,
    scales: Scales,
    names: tuple[str, ...],
    low: ArrayLike,
    high: ArrayLike,
    *parameters: ArrayLike,
) -> Array:
    named = dict(zip(names, parameters, strict=True))
    result_type, aligned = promote(x=low, high=high, **named)
    return log_probability_of_interval(kernel, scales, *aligned).astype(result_type)
