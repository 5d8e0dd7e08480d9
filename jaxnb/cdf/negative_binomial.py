"""The distribution functions of the negative binomial and of Poisson's distribution."""

from __future__ import annotations

import jax.numpy as jnp

from jaxnb._names import keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.calls import log_tail, quantile
from jaxnb.cdf.nb_kernel import NEGATIVE_BINOMIAL

__all__ = [
    "nb_cdf",
    "nb_log_cdf",
    "nb_log_sf",
    "nb_quantile",
    "nb_sf",
    "poisson_cdf",
    "poisson_log_cdf",
    "poisson_log_sf",
    "poisson_quantile",
    "poisson_sf",
]


@keywords
def nb_log_cdf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    r"""Logarithm of the probability that a negative binomial count is at most x.

    .. math::

        \log F(x) = \log \sum_{k=0}^{\lfloor x \rfloor} \mathrm{NB}(k; \mu, \theta)
            = \log I_{\theta/(\theta+\mu)}(\theta, \lfloor x \rfloor + 1)

    with :math:`I` the regularized incomplete beta function. The arguments broadcast. Each parameter
    is given itself or by its natural logarithm.

    Args:
        x: Any real number, of any real, integer or boolean dtype. It is rounded down.
        mu: Mean, in counts, mu >= 0.
        theta: Inverse dispersion, theta >= 0. Infinity is Poisson's distribution, 0 a point mass at
            zero.
        log_mu: log(mu), instead of `mu`: exact also where mu itself would under- or overflow.
        log_theta: log(theta), instead of `theta`.

    Returns:
        The logarithm of the probability, in the dtype that the floating arguments promote to
        (float16 and bfloat16 are computed in float32). -inf for x < 0 and for mu = inf; 0 where mu
        or theta is 0; NaN where an argument is NaN or a parameter negative. The first derivatives
        in the parameters have closed forms, that in x is 0; higher ones are those of the closed
        forms.

    Raises:
        TypeError: A parameter is given on no scale or on both; an argument is complex, or a sparse
            matrix, a table or a tensor.
        ValueError: The shapes do not broadcast.

    Accuracy, in units of ``max(1, abs(value)) * 2**-23`` (float32, ``2**-52`` in float64), over
    thetas from 1e-6 to 1e10, means from 1e-8 to 1e6 and counts up to 2**24: at most 6, 2.2 at the
    99th percentile. The derivative in mu has a relative error below 3e-6 (6e-14 in
    float64) at the 99th percentile, that in theta one below 1e-6 (2e-14) of its own size plus that
    of the derivative of the log-probability. Parameters given by their logarithms carry the
    rounding of their exponentials (`tests/cdf/test_accuracy.py`).

    References:
        DLMF 8.17 for the incomplete beta function; `jaxnb.cdf.quadrature` for the method.
    """
    return _nb("nb_log_cdf", False, x, mu, theta, log_mu, log_theta)


@keywords
def nb_log_sf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    """Logarithm of the probability that a negative binomial count exceeds x.

    It is log(1 - F(x)), with the digits that 1 - F(x) would lose. Arguments, result and errors as
    for `nb_log_cdf`; 0 for x < 0 and for mu = inf, -inf where mu or theta is 0.
    """
    return _nb("nb_log_sf", True, x, mu, theta, log_mu, log_theta)


@keywords
def nb_cdf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    """Probability that a negative binomial count is at most x.

    The exponential of `nb_log_cdf`, with the same arguments and errors. Where it is small, its
    relative error is the absolute one of `nb_log_cdf`.
    """
    return jnp.exp(_nb("nb_cdf", False, x, mu, theta, log_mu, log_theta))


@keywords
def nb_sf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    """Probability that a negative binomial count exceeds x: the exponential of `nb_log_sf`."""
    return jnp.exp(_nb("nb_sf", True, x, mu, theta, log_mu, log_theta))


@keywords
def poisson_log_cdf(
    x: ArrayLike, mu: ArrayLike | None = None, *, log_mu: ArrayLike | None = None
) -> Array:
    """Logarithm of the probability that a Poisson count is at most x: `nb_log_cdf`, theta = inf."""
    return _poisson("poisson_log_cdf", False, x, mu, log_mu)


@keywords
def poisson_log_sf(
    x: ArrayLike, mu: ArrayLike | None = None, *, log_mu: ArrayLike | None = None
) -> Array:
    """Logarithm of the probability that a Poisson count exceeds x: `nb_log_sf`, theta = inf."""
    return _poisson("poisson_log_sf", True, x, mu, log_mu)


@keywords
def poisson_cdf(
    x: ArrayLike, mu: ArrayLike | None = None, *, log_mu: ArrayLike | None = None
) -> Array:
    """Probability that a Poisson count is at most x: `nb_cdf`, theta = inf."""
    return jnp.exp(_poisson("poisson_cdf", False, x, mu, log_mu))


@keywords
def poisson_sf(
    x: ArrayLike, mu: ArrayLike | None = None, *, log_mu: ArrayLike | None = None
) -> Array:
    """Probability that a Poisson count exceeds x: `nb_sf`, theta = inf."""
    return jnp.exp(_poisson("poisson_sf", True, x, mu, log_mu))


@keywords
def nb_quantile(
    q: ArrayLike | None = None,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_q: ArrayLike | None = None,
    upper: bool = False,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    r"""The smallest count x at which the negative binomial's F(x) reaches q.

    It is computed in the arithmetic of `nb_cdf`: in one compiled program,
    ``nb_cdf(x) >= q > nb_cdf(x - 1)`` holds exactly. (XLA may round differently in another
    program, so that across programs it holds to one unit in the last place of the probability.)

    Args:
        q: Probability, 0 <= q <= 1.
        mu: Mean, in counts, mu >= 0.
        theta: Inverse dispersion, theta >= 0, as in `nb_cdf`.
        log_q: log(q), instead of `q`.
        upper: Whether `q` is the probability of the upper tail: the smallest x with 1 - F(x) <= q.
        log_mu: log(mu), instead of `mu`.
        log_theta: log(theta), instead of `theta`.

    Returns:
        Whole numbers, in the dtype that the floating arguments promote to. 0 at q = 0, where SciPy
        has -1, infinity at q = 1 (in the upper tail, the other way round), beyond 2**60 and for
        mu = inf, 0 where mu or theta is 0, NaN where an argument is NaN or outside its range.
        Derivatives are 0.

    Raises:
        TypeError: Of `q` and `log_q`, or of the two scales of a parameter, none or both are given;
            an argument is complex, or a sparse matrix, a table or a tensor.
        ValueError: The shapes do not broadcast.
    """
    parameters = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    return quantile(NEGATIVE_BINOMIAL, "nb_quantile", q, log_q, upper, **parameters)


@keywords
def poisson_quantile(
    q: ArrayLike | None = None,
    mu: ArrayLike | None = None,
    *,
    log_q: ArrayLike | None = None,
    upper: bool = False,
    log_mu: ArrayLike | None = None,
) -> Array:
    """The smallest count at which Poisson's F reaches q: `nb_quantile`, theta = inf."""
    return nb_quantile(q, mu, jnp.inf, log_q=log_q, upper=upper, log_mu=log_mu)


def _poisson(
    owner: str, upper: bool, x: ArrayLike, mu: ArrayLike | None, log_mu: ArrayLike | None
) -> Array:
    return _nb(owner, upper, x, mu, jnp.inf, log_mu, None)


def _nb(
    owner: str,
    upper: bool,
    x: ArrayLike,
    mu: ArrayLike | None,
    theta: ArrayLike | None,
    log_mu: ArrayLike | None,
    log_theta: ArrayLike | None,
) -> Array:
    parameters = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    return log_tail(NEGATIVE_BINOMIAL, owner, upper, x, **parameters)
