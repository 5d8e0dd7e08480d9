"""The log-likelihood of the zero-truncated negative binomial."""

from __future__ import annotations

from functools import partial

import jax

from jaxnb._names import keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods import primitives
from jaxnb.likelihoods.arguments import Scales, floor_of, promote
from jaxnb.likelihoods.calls import log_probability
from jaxnb.likelihoods.zero_truncated_kernel import ZERO_TRUNCATED

__all__ = ["compiled_zero_truncated", "log_truncated", "log_zero_truncated_nb"]


@keywords
def log_zero_truncated_nb(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    eps: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    r"""Log-probability of counts under a negative binomial without its zeros.

    .. math::

        \log \frac{\mathrm{NB}(x; \mu, \theta)}{1 - \mathrm{NB}(0; \mu, \theta)}, \quad x \ge 1

    The parameters are those of the negative binomial that is truncated; the mean is larger than mu.

    Args:
        x: Counts, of any real, integer or boolean dtype.
        mu: Mean before truncation, mu >= 0. At 0 the distribution is the point mass at 1.
        theta: Inverse dispersion, theta >= 0. Infinity truncates Poisson's distribution. At 0 there
            is not a distribution: every log-probability is -inf.
        eps: Floor on the mean, as in `log_nb_positive`; None and 0 for none, since none is needed.
        log_mu: log(mu), instead of `mu`.
        log_theta: log(theta), instead of `theta`.

    Returns:
        Log-probabilities in the dtype that the floating arguments promote to. -inf unless x is a
        whole number from 1 on; NaN where an argument is NaN or a parameter negative. First and
        second derivatives in the parameters have closed forms; those in x are 0.

    Raises:
        TypeError: A parameter is given on no scale or on both; an argument is complex, or a sparse
            matrix, a table or a tensor.
        ValueError: The shapes do not broadcast.

    Accuracy as for `log_nb_positive`, however small mu is (`tests/likelihoods/test_truncated.py`);
    of second derivatives, half are within one rounding and 95% within ten
    (`tests/likelihoods/test_hessians.py`).
    """
    given = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    return log_probability(compiled_zero_truncated, "log_zero_truncated_nb", x, eps, **given)


@partial(jax.jit, static_argnums=0)
def compiled_zero_truncated(
    scales: Scales, x: ArrayLike, mu: ArrayLike, theta: ArrayLike, eps: ArrayLike | None
) -> Array:
    """The log-probability of arguments that are checked."""
    result_type, (x, mu, theta) = promote(x=x, mu=mu, theta=theta)
    return log_truncated(scales, x, mu, theta, eps).astype(result_type)


def log_truncated(
    scales: Scales, x: Array, mu: Array, theta: Array, eps: ArrayLike | None
) -> Array:
    """The log-probability of arguments that `promote` has aligned; a floor is not needed."""
    floor = floor_of(0.0 if eps is None else eps, mu.dtype, scales[0])
    return primitives.value(ZERO_TRUNCATED, x, mu, theta, floor, scales)
