"""The log-probabilities of single counts that belong to the kernels of distribution functions."""

from typing import Final

import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.cdf import nb_kernel, truncated_kernels, two_components
from jaxnb.cdf.calls import Kernel
from jaxnb.likelihoods import (
    hurdle,
    mixture_kernel,
    negative_binomial,
    primitives,
    zero_inflated_kernel,
    zero_truncated_kernel,
)
from jaxnb.likelihoods.arguments import Scales
from jaxnb.likelihoods.evaluate import Likelihood

__all__ = ["log_probability"]

_LIKELIHOODS: Final[dict[Kernel, Likelihood]] = {
    nb_kernel.NEGATIVE_BINOMIAL: negative_binomial.NEGATIVE_BINOMIAL,
    two_components.ZERO_INFLATED: zero_inflated_kernel.ZERO_INFLATED,
    two_components.MIXTURE: mixture_kernel.MIXTURE,
    truncated_kernels.ZERO_TRUNCATED: zero_truncated_kernel.ZERO_TRUNCATED,
    truncated_kernels.HURDLE: hurdle.HURDLE,
}


def log_probability(kernel: Kernel, scales: Scales, x: Array, *parameters: Array) -> Array:
    """That of the count x, or of a number between counts, with no floor on the means."""
    no_floor = jnp.zeros((), x.dtype)
    return primitives.value(_LIKELIHOODS[kernel], x, *parameters, no_floor, scales)
