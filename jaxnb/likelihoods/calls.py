"""The log-probability of every distribution, of the arguments of its public functions."""

from functools import partial

import jax

from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods import primitives
from jaxnb.likelihoods.arguments import Given, Scales, argument, checked, floor_of, promote
from jaxnb.likelihoods.evaluate import Likelihood

__all__ = ["log_probability"]


def log_probability(
    likelihood: Likelihood,
    owner: str,
    x: ArrayLike,
    eps: ArrayLike | None,
    **parameters: Given,
) -> Array:
    """The log-probability for the arguments of the public function `owner`.

    The parameters are in the order in which the likelihood takes them.
    """
    names, values, scales = checked(owner, parameters)
    result: Array = _compiled(likelihood, names, scales, argument("x", x), eps, *values)
    return result


@partial(jax.jit, static_argnums=(0, 1, 2))
def _compiled(
    likelihood: Likelihood,
    names: tuple[str, ...],
    scales: Scales,
    x: ArrayLike,
    eps: ArrayLike | None,
    *parameters: ArrayLike,
) -> Array:
    result_type, aligned = promote(x=x, **dict(zip(names, parameters, strict=True)))
    floor = floor_of(eps, aligned[0].dtype, *(scales[place] for place in likelihood.floored))
    return primitives.value(likelihood, *aligned, floor, scales).astype(result_type)
