"""The distribution functions of the negative binomial and of Poisson's distribution."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from jaxnb._types import Array, ArrayLike
from jaxnb.cdf import extended
from jaxnb.cdf.tails import Tails
from jaxnb.likelihoods.arguments import Scales, on_scales, promote, refuse_tables
from jaxnb.likelihoods.derivatives import Tangent

__all__ = [
    "nb_cdf",
    "nb_log_cdf",
    "nb_log_sf",
    "nb_log_tail",
    "nb_sf",
    "nb_tails",
    "nb_tails_with_derivatives",
    "poisson_cdf",
    "poisson_log_cdf",
    "poisson_log_sf",
    "poisson_sf",
]


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

    Accuracy, in units of ``max(1, abs(value)) * 2**-23`` (float32, ``2**-52`` in float64):
    see `tests/cdf/test_accuracy.py`.

    References:
        DLMF 8.17 for the incomplete beta function; `jaxnb.cdf.quadrature` for the method.
    """
    return _logarithm("nb_log_cdf", False, x, mu, theta, log_mu, log_theta)


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
    return _logarithm("nb_log_sf", True, x, mu, theta, log_mu, log_theta)


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
    return jnp.exp(_logarithm("nb_cdf", False, x, mu, theta, log_mu, log_theta))


def nb_sf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    """Probability that a negative binomial count exceeds x: the exponential of `nb_log_sf`."""
    return jnp.exp(_logarithm("nb_sf", True, x, mu, theta, log_mu, log_theta))


def poisson_log_cdf(
    x: ArrayLike, mu: ArrayLike | None = None, *, log_mu: ArrayLike | None = None
) -> Array:
    """Logarithm of the probability that a Poisson count is at most x: `nb_log_cdf`, theta = inf."""
    return _poisson("poisson_log_cdf", False, x, mu, log_mu)


def poisson_log_sf(
    x: ArrayLike, mu: ArrayLike | None = None, *, log_mu: ArrayLike | None = None
) -> Array:
    """Logarithm of the probability that a Poisson count exceeds x: `nb_log_sf`, theta = inf."""
    return _poisson("poisson_log_sf", True, x, mu, log_mu)


def poisson_cdf(
    x: ArrayLike, mu: ArrayLike | None = None, *, log_mu: ArrayLike | None = None
) -> Array:
    """Probability that a Poisson count is at most x: `nb_cdf`, theta = inf."""
    return jnp.exp(_poisson("poisson_cdf", False, x, mu, log_mu))


def poisson_sf(
    x: ArrayLike, mu: ArrayLike | None = None, *, log_mu: ArrayLike | None = None
) -> Array:
    """Probability that a Poisson count exceeds x: `nb_sf`, theta = inf."""
    return jnp.exp(_poisson("poisson_sf", True, x, mu, log_mu))


def _poisson(
    owner: str, upper: bool, x: ArrayLike, mu: ArrayLike | None, log_mu: ArrayLike | None
) -> Array:
    return _logarithm(owner, upper, x, mu, jnp.inf, log_mu, None)


def _logarithm(
    owner: str,
    upper: bool,
    x: ArrayLike,
    mu: ArrayLike | None,
    theta: ArrayLike | None,
    log_mu: ArrayLike | None,
    log_theta: ArrayLike | None,
) -> Array:
    refuse_tables(x=x)
    parameters, scales = on_scales(owner, mu=(mu, log_mu), theta=(theta, log_theta))
    return _compiled(upper, scales, x, *parameters)


@partial(jax.jit, static_argnums=(0, 1))
def _compiled(upper: bool, scales: Scales, x: ArrayLike, mu: ArrayLike, theta: ArrayLike) -> Array:
    result_type, (x, mu, theta) = promote(x=x, mu=mu, theta=theta)
    return nb_log_tail(upper, scales, x, mu, theta).astype(result_type)


# In what follows the arguments are as `promote` leaves them, mean and theta each on its scale.


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def nb_log_tail(upper: bool, scales: Scales, x: Array, mu: Array, theta: Array) -> Array:
    """log(1 - F) if `upper`, else log F."""
    return nb_tails(scales, x, mu, theta)[upper]


@partial(nb_log_tail.defjvp, symbolic_zeros=True)
def _nb_log_tail_jvp(
    upper: bool,
    scales: Scales,
    primals: tuple[Array, Array, Array],
    tangents: tuple[Tangent, Tangent, Tangent],
) -> tuple[Array, Array]:
    names, along = [], []
    for name, direction in zip(("mu", "theta"), tangents[1:], strict=True):
        if not isinstance(direction, SymbolicZero):
            names.append(name)
            along.append(direction)
    x, mu, theta = primals
    value, derivatives = nb_tails_with_derivatives(tuple(names), scales, x, mu, theta)
    terms = [d[upper] * direction for d, direction in zip(derivatives, along, strict=True)]
    return value[upper], sum(terms, jnp.zeros_like(value[upper]))


def nb_tails(scales: Scales, x: Array, mu: Array, theta: Array) -> Tails:
    """Both logarithms, without a rule for their derivatives."""
    return extended.log_tails(scales, _whole(x), mu, theta)


def nb_tails_with_derivatives(
    wrt: tuple[str, ...], scales: Scales, x: Array, mu: Array, theta: Array
) -> tuple[Tails, list[Tails]]:
    """Both logarithms, and their derivatives in each of `wrt`, "mu" or "theta", on its scale."""
    return extended.log_tails_with_derivatives(wrt, scales, _whole(x), mu, theta)


def _whole(x: Array) -> Array:
    return lax.stop_gradient(jnp.floor(x))
