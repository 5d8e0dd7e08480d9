"""The kernel of the zero-truncated negative binomial, exact as the mean tends to 0.

Notation: t = theta, m = t + mu, p = t / m, q = mu / m, y = -t log(p), so that P(0) = exp(-y) and
1 - P(0) = u(y), u(s) = 1 - exp(-s). As mu tends to 0, so do u(y) and the probability of every
count, while their ratio does not. It is formed inside one logarithm,

    l = log(NB(x) / u(y)).

Its derivatives are those of log NB(x) less those of log u(y), without what cancels. With
r(s) = s - u(s),

    dl/dlog(mu) = p (x - 1) - q - f,    f = (t q - u(y)) / u(y) = (r(y) - t r(y / t)) / u(y),
    dl/dlog(t)  = d log NB(x) / dlog(t) - t r(y / t) exp(-y) / u(y),

where t r(y / t) = -t (log(p) + q).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxnb._materialize import if_any
from jaxnb._types import Array
from jaxnb.likelihoods.arguments import Scales
from jaxnb.likelihoods.dispersion import dispersion
from jaxnb.likelihoods.nb_kernel import KERNELS, log_nb_times, poisson_aside
from jaxnb.likelihoods.nb_moved import Moved, move, out_of_range, values
from jaxnb.special.complements import log1m_exp_of_any, one_minus_exp
from jaxnb.special.elementary import reciprocal
from jaxnb.special.exponential import exp
from jaxnb.special.log1p import log1p_minus_x

__all__ = ["log_truncated_with_derivatives"]


class _Parts(NamedTuple):
    """The log-probability in the range of the kernels, and its derivatives in the logarithms.

    That in log(mu) is in two parts: p (x - 1), and -(q + f), which is proportional to mu where mu
    is small.
    """

    value: Array
    d_log_mu: Array
    d_log_mu_of_one: Array
    d_log_theta: Array


def _in_range(wrt: tuple[str, ...], x: Array, mu: Array, theta: Array) -> _Parts:
    inverse_m = reciprocal(theta + mu)
    p, q = theta * inverse_m, mu * inverse_m
    phi_q = log1p_minus_x(-q, p)
    y = theta * (q - phi_q)
    positive, remainder = one_minus_exp(y)
    inverse_positive = reciprocal(positive)
    d = dispersion(theta, materialized=theta.size < x.size)
    value = log_nb_times(inverse_positive, x, mu, d)
    none = jnp.zeros_like(value)
    if not wrt:
        return _Parts(value, none, none, none)
    f = (remainder + theta * phi_q) * inverse_positive
    of_nb = poisson_aside(("log_theta",), KERNELS["log_theta",](x, mu, d), d)
    d_log_theta = of_nb + theta * phi_q * (exp(-y) * inverse_positive)
    return _Parts(value, p * (x - 1), -(q + f), d_log_theta)


def log_truncated_with_derivatives(
    wrt: tuple[str, ...], scales: Scales, x: Array, a: Array, b: Array
) -> tuple[Array, list[Array]]:
    """The log-probability, and its derivatives in each of `wrt`, "mu" or "theta", on its scale.

    Args:
        wrt: The names.
        scales: The scales of mean and theta.
        x: Counts.
        a: The mean on its scale.
        b: Theta on its scale.
    """
    shape = jnp.broadcast_shapes(x.shape, a.shape, b.shape)
    x, a = jnp.broadcast_to(x, shape), jnp.broadcast_to(a, shape)
    support = _support(x)
    unusual = ~support | out_of_range(x, *values(scales, a, b))

    def ordinary(x: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
        return x, *values(scales, a, b)

    def moved(x: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
        return move(scales, jnp.where(support, x, 1.0), a, b)[:3]

    parts = _in_range(wrt, *if_any(unusual, moved, ordinary, x, a, b))

    def within(parts: _Parts, x: Array, a: Array, b: Array) -> tuple[Array, list[Array]]:
        return parts.value, [_scaled(name, scales, parts, a, b) for name in wrt]

    def everywhere(parts: _Parts, x: Array, a: Array, b: Array) -> tuple[Array, list[Array]]:
        return _corrected(wrt, scales, parts, x, a, b)

    result: tuple[Array, list[Array]] = if_any(unusual, everywhere, within, parts, x, a, b)
    return result


def _support(x: Array) -> Array:
    return (x >= 1) & (x == jnp.floor(x)) & (x < jnp.inf)


def _scaled(name: str, scales: Scales, parts: _Parts, a: Array, b: Array) -> Array:
    if name == "mu":
        in_log, scale, parameter = parts.d_log_mu + parts.d_log_mu_of_one, scales[0], a
    else:
        in_log, scale, parameter = parts.d_log_theta, scales[1], b
    return in_log if scale == "log" else in_log * reciprocal(parameter)


def _corrected(
    wrt: tuple[str, ...], scales: Scales, parts: _Parts, x: Array, a: Array, b: Array
) -> tuple[Array, list[Array]]:
    """For every argument: what is outside the range, the edges, and what is invalid."""
    info = np.finfo(x.dtype)
    tiny, huge = float(info.tiny), float(info.max)
    support = _support(x)
    count = jnp.where(support, x, 1.0)
    moved = move(scales, count, a, b)
    # log(u(y)) less its value where mu was moved to
    y = jnp.maximum(_log_ratio(moved), tiny)
    lost = log1m_exp_of_any(-y - moved.theta * moved.log_m) - log1m_exp_of_any(-y)
    value = parts.value - moved.theta * moved.log_m - lost
    value = value + (count - 1) * moved.log_mu
    value = value - jnp.log(jnp.maximum(count / moved.x, 1.0))

    derivatives = []
    for name in wrt:
        if name == "mu":
            of_one = parts.d_log_mu_of_one * jnp.exp(-lost)
            if scales[0] == "log":
                derivative = parts.d_log_mu + of_one * jnp.exp(moved.log_mu)
            else:
                unmoved = jnp.maximum(moved.mu * jnp.exp(moved.log_theta), tiny)
                divisor = jnp.where(moved.log_mu < 0, unmoved, jnp.maximum(a, tiny))
                derivative = parts.d_log_mu / jnp.maximum(a, tiny) + of_one / divisor
        else:
            derivative = parts.d_log_theta - moved.theta * (moved.log_m + moved.p)
            # at x = 1 it is proportional to mu as well
            derivative = derivative * jnp.where(x == 1, jnp.exp(moved.log_mu), 1.0)
            if scales[1] == "linear":
                derivative = derivative / jnp.maximum(b, tiny)
        derivatives.append(jnp.clip(derivative, -huge, huge))

    zero_mu, zero_theta = (
        parameter == (0.0 if scale == "linear" else -jnp.inf)
        for scale, parameter in zip(scales, (a, b), strict=True)
    )
    impossible = ~support | zero_theta | (a == jnp.inf)
    value = jnp.where(impossible | (zero_mu & (x > 1)), -jnp.inf, value)
    invalid = jnp.isnan(x) | jnp.isnan(a) | jnp.isnan(b)
    for scale, parameter in zip(scales, (a, b), strict=True):
        invalid = invalid | ((parameter < 0) & (scale == "linear"))
    return (
        jnp.where(invalid, jnp.nan, value),
        [jnp.where(invalid, jnp.nan, jnp.where(impossible, 0.0, d)) for d in derivatives],
    )


def _log_ratio(moved: Moved) -> Array:
    """y at the point that was moved to."""
    return moved.theta * jnp.log1p(moved.mu / moved.theta)
