"""The log-likelihood of a mixture of two negative binomials."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnb._materialize import materialize
from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods.arguments import (
    Scales,
    floor_of,
    largest,
    on_scales,
    promote,
    refuse_tables,
    required,
)
from jaxnb.likelihoods.derivatives import Derivative, Tangent, tangent
from jaxnb.likelihoods.nb_point import kernel_range, parameter_values
from jaxnb.likelihoods.negative_binomial import log_nb, nb_derivatives
from jaxnb.likelihoods.two_components import (
    d_log_odds,
    log_two_components,
    weight_factors,
    weighted,
)
from jaxnb.special.elementary import reciprocal
from jaxnb.special.log1p import log, log1p_minus_x

__all__ = ["log_mixture_nb", "mixture_with_derivatives"]


def log_mixture_nb(
    x: ArrayLike,
    mu_1: ArrayLike | None = None,
    mu_2: ArrayLike | None = None,
    theta_1: ArrayLike | None = None,
    theta_2: ArrayLike | None = None,
    pi_logits: ArrayLike | None = None,
    eps: ArrayLike | None = None,
    *,
    log_mu_1: ArrayLike | None = None,
    log_mu_2: ArrayLike | None = None,
    log_theta_1: ArrayLike | None = None,
    log_theta_2: ArrayLike | None = None,
) -> Array:
    r"""Log-probability of counts under a mixture of two negative binomials.

    .. math::

        \log\left(\sigma(q)\,\mathrm{NB}(x; \mu_1, \theta_1)
            + \sigma(-q)\,\mathrm{NB}(x; \mu_2, \theta_2)\right)

    with :math:`\sigma` the logistic function and q = `pi_logits`. The arguments broadcast.

    Args:
        x: Counts, as in `log_nb_positive`.
        mu_1: Mean of component 1, mu_1 >= 0.
        mu_2: Mean of component 2, mu_2 >= 0.
        theta_1: Inverse dispersion of component 1, theta_1 >= 0.
        theta_2: Inverse dispersion of component 2. If neither it nor `log_theta_2` is given, it is
            that of component 1.
        pi_logits: Log-odds of component 1, infinite or not.
        eps: Floor on both means, as in `log_nb_positive`.
        log_mu_1: log(mu_1), instead of `mu_1`; and so on.
        log_mu_2: log(mu_2).
        log_theta_1: log(theta_1).
        log_theta_2: log(theta_2).

    Returns:
        Log-probabilities in the dtype that the floating arguments promote to. Edges, derivatives
        and errors as for `log_nb_positive`; a component that cannot explain the count has weight 0.

    Raises:
        TypeError: `pi_logits` is missing; and as `log_nb_positive`.
        ValueError: The shapes do not broadcast.

    Accuracy of values as for `log_nb_positive`. The derivatives in means and thetas carry the error
    of each component's weight, which is that of the difference of two log-probabilities. The
    derivative in `pi_logits` vanishes with the latter; where the thetas are equal it is formed
    without cancellation.

    References:
        Gayoso et al. (2021), Joint probabilistic modeling of single-cell multi-omic data with
        totalVI, for the mixture of foreground and background counts.
    """
    owner = "log_mixture_nb"
    refuse_tables(x=x)
    if theta_2 is None and log_theta_2 is None:
        theta_2, log_theta_2 = theta_1, log_theta_1
    parameters, scales = on_scales(
        owner,
        mu_1=(mu_1, log_mu_1),
        mu_2=(mu_2, log_mu_2),
        theta_1=(theta_1, log_theta_1),
        theta_2=(theta_2, log_theta_2),
    )
    pi_logits = required(owner, pi_logits=pi_logits)
    value: Array = _log_mixture_nb(scales, x, *parameters, pi_logits, eps)
    return value


@partial(jax.jit, static_argnums=0)
def _log_mixture_nb(
    scales: Scales,
    x: ArrayLike,
    mu_1: ArrayLike,
    mu_2: ArrayLike,
    theta_1: ArrayLike,
    theta_2: ArrayLike,
    pi_logits: ArrayLike,
    eps: ArrayLike | None,
) -> Array:
    result_type, arguments = promote(
        x=x, mu_1=mu_1, mu_2=mu_2, theta_1=theta_1, theta_2=theta_2, pi_logits=pi_logits
    )
    floor = floor_of(eps, arguments[0].dtype, *scales[:2])
    return _log_mixture(scales, *arguments, floor).astype(result_type)


_Arguments = tuple[Array, Array, Array, Array, Array, Array, Array]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _log_mixture(
    scales: Scales,
    x: Array,
    mu_1: Array,
    mu_2: Array,
    theta_1: Array,
    theta_2: Array,
    q: Array,
    eps: Array,
) -> Array:
    scales_1, scales_2 = scales[::2], scales[1::2]
    return _mixed(
        log_nb(x, mu_1, theta_1, eps, scales_1), log_nb(x, mu_2, theta_2, eps, scales_2), q
    )


@partial(_log_mixture.defjvp, symbolic_zeros=True)
def _log_mixture_jvp(
    scales: Scales, primals: _Arguments, tangents: tuple[Tangent, ...]
) -> tuple[Array, Array]:
    value, derivatives = mixture_with_derivatives(*primals, scales)
    return value, tangent(value, derivatives, tangents[:6])


def mixture_with_derivatives(
    x: Array,
    mu_1: Array,
    mu_2: Array,
    theta_1: Array,
    theta_2: Array,
    q: Array,
    eps: Array,
    scales: Scales,
) -> tuple[Array, list[Derivative]]:
    """The value, and its derivatives in x, mu_1, mu_2, theta_1, theta_2 and q, each when called."""
    scales_1, scales_2 = scales[::2], scales[1::2]
    log_1 = log_nb(x, mu_1, theta_1, eps, scales_1)
    log_2 = log_nb(x, mu_2, theta_2, eps, scales_2)
    d = _subtracted(log_1, log_2)

    def d_x() -> Array:
        return x_1() + x_2()

    def d_q() -> Array:
        first, t, _ = parameter_values(scales_1, mu_1, theta_1, eps)
        second, other_t, _ = parameter_values(scales_2, mu_2, theta_2, eps)
        limits = kernel_range(x.dtype)
        usable = (t == other_t) & limits.holds(x, first, t) & limits.holds(x, second, t)
        t = jnp.minimum(t, largest(t.dtype))
        close = _difference(x, *(jnp.where(usable, y, 1.0) for y in (first, second, t)))
        usable &= (x >= 0) & (x <= limits.x)
        # the value of `close` with the derivative of d
        finite = jnp.where(usable, d, 0.0)
        better = lax.stop_gradient(close) + (finite - lax.stop_gradient(finite))
        return materialize(d_log_odds(jnp.where(usable, better, d), q))[0]

    weight_1, weight_2 = weight_factors(d, q)
    x_1, d_mu_1, d_theta_1 = weighted(weight_1, nb_derivatives(x, mu_1, theta_1, eps, scales_1))
    x_2, d_mu_2, d_theta_2 = weighted(weight_2, nb_derivatives(x, mu_2, theta_2, eps, scales_2))
    return _mixed(log_1, log_2, q), [d_x, d_mu_1, d_mu_2, d_theta_1, d_theta_2, d_q]


def _mixed(log_1: Array, log_2: Array, q: Array) -> Array:
    return materialize(log_two_components(log_1, log_2, _subtracted(log_1, log_2), q))[0]


def _subtracted(log_1: Array, log_2: Array) -> Array:
    # where both are -inf the count tells nothing of the component
    neither = (log_1 == -jnp.inf) & (log_2 == -jnp.inf)
    return jnp.where(neither, 0.0, jnp.where(neither, 0.0, log_1) - jnp.where(neither, 0.0, log_2))


def _difference(x: Array, mu_1: Array, mu_2: Array, t: Array) -> Array:
    """log NB(x; mu_1, theta) - log NB(x; mu_2, theta), relative to itself.

    With a = theta (mu_1 - mu_2) / (mu_2 m_1), b = (mu_1 - mu_2) / m_2 and m = theta + mu, it is
    x log(1 + a) - theta log(1 + b). No gamma function is left, and with phi(u) = log(1 + u) - u the
    parts linear in mu_1 - mu_2 combine to

        x a - theta b = a (x - mu_2) - theta b (mu_1 - mu_2) / m_1.

    Where the means are far apart, these parts cancel what phi has in place of the logarithms, and
    the latter are taken themselves.
    """
    difference = mu_1 - mu_2
    m_1, m_2 = t + mu_1, t + mu_2
    inverse_mu_2, inverse_m_1, inverse_m_2 = (reciprocal(y) for y in (mu_2, m_1, m_2))
    a, b = (t * inverse_m_1) * (difference * inverse_mu_2), difference * inverse_m_2
    linear = a * (x - mu_2) - (difference * inverse_m_1) * t * b
    near_a, near_b = jnp.abs(a) < 0.5, jnp.abs(b) < 0.5
    quotient = m_2 * inverse_m_1
    phi_a, log_a = _logarithms(a, (mu_1 * inverse_mu_2) * quotient, near_a)
    # the quotient of means that are as far apart as floating-point numbers can be overflows
    lies_within = jnp.abs(log_a) < float(np.log(largest(t.dtype)))
    log_a = jnp.where(lies_within, log_a, (log(mu_1) - log(mu_2)) + (log(m_2) - log(m_1)))
    phi_b, log_b = _logarithms(b, m_1 * inverse_m_2, near_b)
    close = linear + (x * phi_a - t * phi_b)
    # b underflows where theta is largest
    t_log_b = jnp.where(near_b, t * phi_b + (t * inverse_m_2) * difference, t * log_b)
    return jnp.where(near_a & near_b, close, x * log_a - t_log_b)


def _logarithms(u: Array, one_plus_u: Array, near: Array) -> tuple[Array, Array]:
    """phi(u), where u is near 0, and log(1 + u)."""
    phi = log1p_minus_x(jnp.where(near, u, 0.0), jnp.where(near, one_plus_u, 1.0))
    return phi, jnp.where(near, phi + u, log(jnp.where(near, 1.0, one_plus_u)))
