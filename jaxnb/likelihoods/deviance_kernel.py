"""Unit deviances: twice the log-probability that a count loses by not having its own mean.

Notation of `nb_kernel`: c = (x - mu) / m with m = mu + theta, s = -theta c / x,
phi(u) = log(1 + u) - u. With theta held fixed, the log-probability as a function of the mean is
largest at mu = x, and what is lost is

    d = 2 [x log(x / mu) - (x + theta) log((x + theta) / m)]
      = -2 [x phi(s) + theta phi(c)]                               near mu = x, where the parts
                                                                   linear in x - mu have canceled,
      = -2 [x log(1 + s) + theta log(1 + c)]                       far from it and at x = 0, with
    log(1 + s) = log(1 + theta / x) - log(1 + theta / mu),
    log(1 + c) = log(1 + x / theta) - log(1 + mu / theta),

of which one term is far smaller than the other. As theta tends to infinity, s tends to
(mu - x) / x, c to 0, theta phi(c) to 0 and theta log(1 + c) to x - mu. The derivatives are

    d_mu = 2 theta (mu - x) / (mu m),    d_theta = -2 phi(c) >= 0,    d_x = -2 log(1 + s).

The parts depend on ratios, which are formed from the logarithms where the arguments themselves
are outside the range of the dtype.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.likelihoods.arguments import Scales, largest
from jaxnb.likelihoods.negative_binomial import NEGATIVE_BINOMIAL
from jaxnb.likelihoods.primitives import outputs
from jaxnb.special.elementary import two_sum
from jaxnb.special.log1p import log1p_minus_x, log_of_any

__all__ = ["deviance"]


class _Parts(NamedTuple):
    """What value and derivatives consist of; `scale` is the factor that x, mu and theta carry."""

    scale: Array
    x: Array
    mu: Array
    theta: Array
    far: Array
    far_c: Array
    poisson: Array
    log_s: Array
    log_c: Array
    s: Array
    c: Array
    one_plus_s: Array
    one_plus_c: Array
    share_of_theta: Array
    share_of_mu: Array
    x_over_m: Array


# Beyond e^40 and below its inverse, 1 + s or 1 + c makes one term as good as all of the deviance.
_FAR = 40.0
# By how much larger exponents of the dtype are than those of float32.
_EXPONENTS = {"float32": 1, "float64": 8}


def _parts(scales: Scales, x: Array, a: Array, b: Array) -> _Parts:
    (mu, log_mu), (theta, log_theta) = map(_on_both_scales, scales, (a, b))
    _, log_x = _on_both_scales("linear", x)
    # d, x, mu and theta all carry the factor, with which m does not overflow, and a mean far below
    # theta stays far below its stand-in.
    k = _EXPONENTS[x.dtype.name]
    scale = jnp.where(mu > 2.0 ** (96 * k), 2.0 ** (-32 * k), 1.0)
    scale = jnp.where(theta > 2.0 ** (30 * k), 2.0 ** (-64 * k), scale)
    scale = jnp.where(jnp.maximum(x, mu) > 2.0 ** (60 * k), scale, 1.0)
    limit = float(np.log(np.finfo(x.dtype).max)) * 1.5 if scales[1] == "log" else jnp.inf
    mu, theta = _scaled(mu, log_mu, scale), _scaled(theta, log_theta, scale)
    poisson = (log_theta + jnp.log(scale) >= _highest_log(x)) | (b >= limit)
    x, theta = x * scale, jnp.where(poisson, largest(x.dtype), theta)
    log_theta = jnp.minimum(log_theta, jnp.log(largest(x.dtype) / scale))

    mu_over_theta, log_m_over_theta = _ratio(mu, theta, log_mu - log_theta)
    x_over_theta, log_n_over_theta = _ratio(x, theta, log_x - log_theta)
    theta_over_mu, log_m_over_mu = _ratio(theta, mu, log_theta - log_mu)
    _, log_n_over_x = _ratio(theta, x, log_theta - log_x)
    log_c, log_s = log_n_over_theta - log_m_over_theta, log_n_over_x - log_m_over_mu
    log_c, log_s = jnp.where(poisson, 0.0, log_c), jnp.where(poisson, log_mu - log_x, log_s)
    far_c = jnp.abs(log_c) > _FAR
    far = far_c | ((jnp.abs(log_s) > _FAR) & (x > 0))

    sum_of_both = theta + mu
    sum_exact = sum_of_both > 2 * float(np.finfo(x.dtype).tiny)
    sum_of_both = jnp.where(sum_exact, sum_of_both, 1.0)
    share_of_theta = jnp.where(poisson, 1.0, 1 / (1 + mu_over_theta))
    share_of_mu = jnp.where(poisson, 0.0, 1 / (1 + theta_over_mu))
    difference, error = two_sum(jnp.where(far_c, 1.0, x), -jnp.where(far_c, 1.0, mu))
    n, m = (jnp.where(far_c, 1.0, theta + value) for value in (x, mu))
    c, one_plus_c = (
        jnp.where(poisson, 0.0, (difference + error) / m),
        jnp.where(poisson, 1.0, n / m),
    )
    own = far | (x == 0)
    count, mean = (jnp.where(own, 1.0, value) for value in (x, mu))
    # by the share: the derivative of theta c in theta would cancel where theta is large
    s = jnp.where(own, 0.0, -(difference + error) * share_of_theta / count)
    one_plus_s = jnp.where(own, 1.0, mean * one_plus_c / count)
    return _Parts(
        scale=scale,
        x=x,
        mu=mu,
        theta=theta,
        far=far,
        far_c=far_c,
        poisson=poisson,
        log_s=log_s,
        log_c=log_c,
        s=s,
        c=c,
        one_plus_s=one_plus_s,
        one_plus_c=one_plus_c,
        share_of_theta=share_of_theta,
        share_of_mu=share_of_mu,
        x_over_m=jnp.where(sum_exact, x / sum_of_both, x_over_theta * share_of_theta),
    )


def _on_both_scales(scale: str, value: Array) -> tuple[Array, Array]:
    """A parameter within the range of the dtype, and its logarithm, which may be outside."""
    info = np.finfo(value.dtype)
    if scale == "log":
        bounded = jnp.clip(value, float(np.log(info.tiny)), _highest_log(value))
        return jnp.exp(bounded), jnp.clip(value, -float(info.max) / 8, float(info.max) / 8)
    bounded = jnp.where(value > 0, jnp.minimum(value, float(info.max)), float(info.tiny))
    return jnp.clip(value, 0.0, float(info.max)), log_of_any(bounded)


def _highest_log(value: Array) -> float:
    """Of a number of the dtype, so that its exponential is one."""
    return float(np.log(np.finfo(value.dtype).max)) * (1 - 1e-6)


def _scaled(value: Array, log_value: Array, scale: Array) -> Array:
    """The value times the scale, also where it is a number of the dtype only then."""
    highest = _highest_log(value)
    beyond = jnp.exp(jnp.minimum(log_value + jnp.log(scale), highest))
    return jnp.where(log_value > highest, beyond, value * scale)


def _ratio(a: Array, b: Array, log_ratio: Array) -> tuple[Array, Array]:
    """a / b, at most the largest number, and log(1 + a / b).

    By the logarithms where the arguments, or the quotient, are next to the ends of the range.
    """
    info = np.finfo(a.dtype)
    low, high = 2 * float(info.tiny), float(info.max) / 2
    exact = (jnp.minimum(a, b) > low) & (jnp.maximum(a, b) < high)
    exact &= jnp.abs(log_ratio) < float(np.log(info.max)) - 1
    direct = jnp.where(exact, a, 1.0) / jnp.where(exact, b, 1.0)
    ratio = jnp.where(exact, direct, jnp.exp(jnp.minimum(log_ratio, _highest_log(a))))
    return ratio, jnp.where(log_ratio > _FAR, log_ratio, jnp.log1p(ratio))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def deviance(scales: Scales, x: Array, a: Array, b: Array) -> Array:
    """The deviance of x >= 0, with mean and theta positive, finite or infinite, on their scales."""
    p = _parts(scales, x, a, b)
    near = p.x * log1p_minus_x(p.s, p.one_plus_s) + p.theta * log1p_minus_x(p.c, p.one_plus_c)
    small = (p.x == 0) & (p.mu < p.theta * float(np.finfo(x.dtype).eps) / 4)
    of_theta = jnp.where(small, -p.mu, p.theta * p.log_c)
    of_theta = jnp.where(p.poisson, p.x - p.mu, of_theta)
    far = jnp.where(p.x == 0, 0.0, p.x * p.log_s) + of_theta
    return -2 * jnp.where(p.far | (p.x == 0), far, near) / p.scale


@deviance.defjvp
def _deviance_jvp(
    scales: Scales, primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    derivatives = _derivatives(scales, *primals)
    terms = [d * tangent for d, tangent in zip(derivatives, tangents, strict=True)]
    return deviance(scales, *primals), sum(terms[1:], terms[0])


def _apart(p: _Parts) -> Array:
    """theta (mu - x) / m where one of them is far larger than the other."""
    few = p.share_of_theta < 2 * float(np.finfo(p.x.dtype).tiny)
    of_x = jnp.where(few, p.theta * jnp.where(few, p.x_over_m, 0.0), p.x * p.share_of_theta)
    return p.theta * p.share_of_mu - of_x


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _derivatives(scales: Scales, x: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
    """In x, the mean and theta, each on its scale."""
    p = _parts(scales, x, a, b)
    small = jnp.abs(p.s) < 0.5  # elsewhere s cancels in s + phi(s)
    s, one_plus_s = jnp.where(small, p.s, 0.0), jnp.where(small, p.one_plus_s, 1.0)
    log_s = jnp.where(small, s + log1p_minus_x(s, one_plus_s), jnp.log(p.one_plus_s))
    along_x = -2 * jnp.where(p.far, p.log_s, log_s)
    # theta (mu - x) / m in three forms, and theta phi(c), of which none underflows where it is used
    apart = _apart(p)
    if scales[0] == "log":
        close = jnp.where(p.share_of_theta > 0.5, p.share_of_theta * (p.mu - p.x), -p.theta * p.c)
        along_mean = 2 * jnp.where(p.far_c, apart, close) / p.scale
    else:
        # in the order in which nothing over- or underflows that the product does not
        info = np.finfo(a.dtype)
        mean = jnp.where(p.x == 0, 1.0, jnp.minimum(a, float(info.max)))
        apart = jnp.where(p.x == 0, 1.0, (p.mu - p.x) / p.scale)
        share, relative = p.share_of_theta, apart / mean
        of_large = jnp.where(share > 2 * float(info.tiny), share * relative, b * relative / mean)
        per_mean = jnp.where(mean > 1, of_large, (share / mean) * apart)
        along_mean = _bounded(2 * per_mean)
    phi_c = log1p_minus_x(p.c, p.one_plus_c)
    if scales[1] == "log":
        far = p.theta * p.log_c + apart
        small = jnp.abs(p.c) < float(np.finfo(p.c.dtype).eps) / 4
        close = jnp.where(small, -p.theta * p.c * p.c / 2, p.theta * phi_c)
        along_theta = -2 * jnp.where(p.far_c, far, close) / p.scale
    else:
        along_theta = _bounded(
            -2 * jnp.where(p.far_c, p.log_c + (p.share_of_mu - p.x_over_m), phi_c)
        )
    return along_x, along_mean, jnp.where(p.poisson, 0.0, along_theta)


@_derivatives.defjvp
def _derivatives_jvp(
    scales: Scales, primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]
) -> tuple[tuple[Array, Array, Array], tuple[Array, Array, Array]]:
    """With n = x + theta, d_xx = 2 theta / (x n), d_x_theta = 2 c / n, and `_d_theta_d_theta`.

    Those in the mean are -2 times those of the log-probability: what the deviance has besides does
    not depend on it.
    """
    p = _parts(scales, *primals)
    ratios = _second_ratios(p)
    theta_over_n = jnp.where(p.poisson, 1.0, p.theta / ratios.n)
    in_x = 2 * theta_over_n / jnp.where(p.x == 0, 1.0, p.x) * p.scale
    in_x = jnp.where(p.x == 0, 0.0, _bounded(in_x))
    mixed = ratios.theta_c_over_n if scales[1] == "log" else ratios.c_over_n
    mixed = jnp.where(p.poisson | (p.x == 0), 0.0, _bounded(2 * mixed))
    of_x, of_mean, of_theta = _derivatives_of_mean(scales, primals)
    along_x, along_mean, along_theta = tangents
    return _derivatives(scales, *primals), (
        in_x * along_x + of_x * along_mean + mixed * along_theta,
        of_x * along_x + of_mean * along_mean + of_theta * along_theta,
        mixed * along_x + of_theta * along_mean + _d_theta_d_theta(scales, p, ratios) * along_theta,
    )


def _derivatives_of_mean(scales: Scales, primals: tuple[Array, Array, Array]) -> list[Array]:
    """The derivatives of that in the mean, in x, the mean and theta."""

    def d_mean(x: Array, a: Array, b: Array) -> Array:
        floor = jnp.zeros((), x.dtype)
        return -2 * outputs(NEGATIVE_BINOMIAL, (1,), x, a, b, floor, scales)[0]

    value, pull = jax.vjp(d_mean, *primals)
    return [_bounded(derivative) for derivative in pull(jnp.ones_like(value))]


def _bounded(derivative: Array) -> Array:
    """Finite, so that its product with a tangent of 0 is 0."""
    highest = float(np.finfo(derivative.dtype).max)
    return jnp.clip(derivative, -highest, highest)


class _SecondRatios(NamedTuple):
    """What second derivatives consist of, with u = c / (1 + c) = (x - mu) / n.

    Attributes:
        below: Whether c is below -1/2.
        n: x + theta, with the factor that these carry.
        c: Bounded.
        u: 0 where `below`.
        c_over_n: c / n.
        theta_c_over_n: theta c / n.
    """

    below: Array
    n: Array
    c: Array
    u: Array
    c_over_n: Array
    theta_c_over_n: Array


def _second_ratios(p: _Parts) -> _SecondRatios:
    tiny = float(np.finfo(p.x.dtype).tiny)
    c = _bounded(jnp.where(p.far_c, p.x_over_m - p.share_of_mu, p.c))
    n, m = (jnp.maximum(value + p.theta, tiny) for value in (p.x, p.mu))
    below = c < -0.5
    near, one_plus = (jnp.where(below | p.far_c, y, z) for y, z in ((0.0, c), (1.0, p.one_plus_c)))
    u = jnp.where(below, 0.0, jnp.where(p.far_c, 1.0, near / one_plus))
    # c may overflow where c / n = u / m does not
    c_over_n = jnp.where(below, c / n, u / m) * p.scale
    theta_c_over_n = jnp.where(below, c * (p.theta / n), u * p.share_of_theta)
    return _SecondRatios(below, n, c, u, c_over_n, theta_c_over_n)


def _d_theta_d_theta(scales: Scales, p: _Parts, r: _SecondRatios) -> Array:
    """The second derivative in theta, -2 c**2 / n, or in log(theta).

    The latter is, with u = c / (1 + c),

        -2 theta (phi(c) + theta c**2 / n) = 2 theta (log(m / n) + u + q c u)
                                           = 2 theta (log(m / n) + c (theta (1 + q) + q x) / n),

    of which the first form is phi(-u) + q c u, right also at x = mu, and the second one right where
    x is far below it.
    """
    if scales[1] == "linear":
        return jnp.where(p.poisson, 0.0, _bounded(-2 * r.c * r.c_over_n))
    other = r.below | p.far_c
    u, m_over_n = jnp.where(other, 0.0, r.u), 1 / jnp.where(other, 1.0, p.one_plus_c)
    small = jnp.abs(u) < float(np.finfo(u.dtype).eps) / 4
    of_phi = jnp.where(small, -p.theta * u * u / 2, p.theta * log1p_minus_x(-u, m_over_n))
    of_phi = jnp.where(p.far_c, p.theta * (1 - p.log_c), of_phi)
    of_shares = jnp.where(p.far_c, -_apart(p), p.share_of_theta * (p.x - p.mu))
    close = of_phi + p.share_of_mu * of_shares * r.u
    of_counts = p.theta * (1 + p.share_of_mu) + p.share_of_mu * p.x
    above = -p.theta * p.log_c + (p.theta / r.n) * (jnp.where(r.below, r.c, 0.0) * of_counts)
    return jnp.where(p.poisson, 0.0, 2 * jnp.where(r.below, above, close) / p.scale)
