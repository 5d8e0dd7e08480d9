"""What every log-likelihood does with its arguments."""

from collections.abc import Callable

from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods.arguments import Given, argument, checked

__all__ = ["log_probability"]


def log_probability(
    compiled: Callable[..., Array],
    owner: str,
    x: ArrayLike,
    eps: ArrayLike | None,
    **parameters: Given,
) -> Array:
    """The log-probability for the arguments of the public function `owner`.

    `compiled` is a function of (scales, x, *parameters, eps).
    """
    _, values, scales = checked(owner, parameters)
    return compiled(scales, argument("x", x), *values, eps)
