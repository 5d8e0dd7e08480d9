"""The Kullback-Leibler divergence of distributions that are negative binomials but for their zeros.

By the grouping property, with z the probability of a zero, T the distribution of a positive count,
which is that of the negative binomial, whatever the zeros, and d(a, b) the divergence of two
probabilities,

    D = d(z_1, z_2) + (1 - z_1) D_T.

The last factor follows from the divergence D_N of the negative binomials, of which p is the
probability of a zero, (1 - p_1) D_T = D_N - d(p_1, p_2). Where nearly all of D_N may be d(p_1,
p_2), D_T is a sum over the positive counts, see `_of_positive`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnb._blockwise import blockwise
from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.at_zero import SCALES, log_probability_of_one
from jaxnb.cdf.divergence_derivatives import divergence
from jaxnb.cdf.divergence_sums import excess
from jaxnb.cdf.entropy import zero_and_rest
from jaxnb.cdf.expectation import Weight, nodes, summed
from jaxnb.cdf.log_ratio import log_ratio, step_in_v
from jaxnb.likelihoods.arguments import largest, promote
from jaxnb.likelihoods.negative_binomial import log_nb

__all__ = ["grouped_divergence"]

# Above this log-probability of a zero D_T is a sum of its own.
_MOSTLY_ZERO = -0.1
# The sum has terms of one sign if mean and variance differ by less than this, in logarithms.
_CLOSE = 0.25
# Of log(1 + u) / u three terms suffice below it.
_SMALL = 1e-3


@partial(jax.jit, static_argnums=(0, 1))
def grouped_divergence(
    hurdle_1: bool,
    hurdle_2: bool,
    mu_1: ArrayLike,
    theta_1: ArrayLike,
    zi_logits_1: ArrayLike,
    mu_2: ArrayLike,
    theta_2: ArrayLike,
    zi_logits_2: ArrayLike,
) -> Array:
    """The divergence of the first distribution from the second.

    In float32 the value is within 7e-4 of that in float64, in 99 of 100 cases within 1e-5, at 4,000
    random pairs with means of 1e-12 to 1e9 and thetas of 1e-9 to 1e9, two thirds of them close.
    With means above 1e-3 and thetas above 1e-2 99 of 100 first derivatives are within 8e-5, and of
    hurdles within 4e-3: in the first mean and theta they have the absolute error of the divergence.

    Args:
        hurdle_1: Whether the zeros are all that there are; if not, they are additional ones.
        hurdle_2: The same.
        mu_1: Mean of the negative binomial.
        theta_1: Its inverse dispersion.
        zi_logits_1: Log-odds of a zero; -inf for none.
        mu_2: The same of the second distribution.
        theta_2: The same.
        zi_logits_2: The same.
    """
    names = ("theta_1", "zi_logits_1", "mu_2", "theta_2", "zi_logits_2")
    others = (theta_1, zi_logits_1, mu_2, theta_2, zi_logits_2)
    result_type, arguments = promote(x=mu_1, **dict(zip(names, others, strict=True)))
    found = blockwise(_Grouped((hurdle_1, hurdle_2)), *arguments)
    return found.astype(result_type)


@dataclass(frozen=True)
class _Grouped:
    hurdles: tuple[bool, bool]

    def __call__(self, *arguments: Array) -> Array:
        mu_1, theta_1, odds_1, mu_2, theta_2, odds_2 = arguments
        nothing = (mu_1 == 0) | (theta_1 == 0)
        usual = (mu_1 < jnp.inf) & (mu_2 > 0) & (mu_2 < jnp.inf) & (theta_2 > 0)
        usual &= (theta_1 > 0) if self.hurdles[0] else ~nothing
        parameters = (mu_1, theta_1, mu_2, theta_2)
        odds = odds_1, odds_2
        total = self._of_usual([jnp.where(usual, p, 1.0) for p in parameters], odds)
        log_z = _zeros(self.hurdles[1], odds_2, zero_and_rest(mu_2, theta_2)).log_z
        # only zeros; other counts that the second distribution excludes; neither is known
        zeros_alone = odds_1 == jnp.inf
        if self.hurdles[0]:
            unknown = theta_1 == 0
        else:
            zeros_alone |= nothing
            unknown = (mu_1 == jnp.inf) & (mu_2 == jnp.inf)
        unusual = jnp.where(unknown, jnp.nan, jnp.inf)
        total = jnp.where(usual, total, jnp.where(zeros_alone, -log_z, unusual))
        valid = (mu_1 >= 0) & (theta_1 >= 0) & (mu_2 >= 0) & (theta_2 >= 0)
        return jnp.where(valid & ~jnp.isnan(odds_1) & ~jnp.isnan(odds_2), total, jnp.nan)

    def _of_usual(self, parameters: list[Array], odds: tuple[Array, Array]) -> Array:
        mu_1, theta_1, mu_2, theta_2 = parameters
        nb = zero_and_rest(mu_1, theta_1), zero_and_rest(mu_2, theta_2)
        apart, p = _of_zeros(*parameters), [jnp.exp(log_p) for log_p, _ in nb]
        step = _as_difference(
            jnp.where(jnp.abs(apart) < 0.5, p[0] * jnp.expm1(apart), p[1] - p[0]), *nb
        )
        one, other = (_zeros(*given) for given in zip(self.hurdles, odds, nb, strict=True))
        rest = divergence(*parameters) - _of_two(*nb, step)
        rest = (rest + lax.stop_gradient(jnp.maximum(rest, 0.0) - rest)) * jnp.exp(one.log_share)
        sparse = nb[0][0] > _MOSTLY_ZERO
        summed = _of_positive(*(jnp.where(sparse, p, 1.0) for p in parameters))
        rest = jnp.where(sparse, summed * jnp.exp(one.log_rest), rest)
        zeros, others = ((of.log_z, of.log_rest) for of in (one, other))
        step = _as_difference(_step(self.hurdles, odds, nb, step), zeros, others)
        return _of_two(zeros, others, step) + rest


def _with_derivatives_of(plain: Array, value: Array) -> Array:
    """The value, with the derivatives of what it is but for rounding errors."""
    return lax.stop_gradient(value) + (plain - lax.stop_gradient(plain))


def _as_difference(step: Array, one: tuple[Array, Array], other: tuple[Array, Array]) -> Array:
    """z_2 - z_1, with derivatives from the smaller of the probabilities of zeros and of others."""
    of_rest = one[0] > one[1]
    first, second = (jnp.exp(jnp.where(of_rest, of[1], of[0])) for of in (one, other))
    return _with_derivatives_of(jnp.where(of_rest, first - second, second - first), step)


class _Zeros(NamedTuple):
    """The zeros of a distribution.

    Attributes:
        log_z: The logarithm of their probability.
        log_rest: That of all other counts.
        log_share: The logarithm of the latter over that of the negative binomial.
    """

    log_z: Array
    log_rest: Array
    log_share: Array


def _zeros(hurdle: bool, odds: Array, nb: tuple[Array, Array]) -> _Zeros:
    log_more, log_no_more = jax.nn.log_sigmoid(odds), jax.nn.log_sigmoid(-odds)
    log_zero, log_rest = nb
    if hurdle:
        some = log_rest > -jnp.inf
        return _Zeros(log_more, log_no_more, log_no_more - jnp.where(some, log_rest, 0.0))
    log_z = jnp.logaddexp(log_more, log_no_more + log_zero)
    return _Zeros(log_z, log_no_more + log_rest, log_no_more)


def _step(
    hurdles: tuple[bool, bool],
    odds: tuple[Array, Array],
    nb: tuple[tuple[Array, Array], tuple[Array, Array]],
    of_nb: Array,
) -> Array:
    """z_2 - z_1, as a difference that vanishes where all parameters are the same."""
    one, other = odds
    larger, smaller = jnp.maximum(one, other), jnp.minimum(one, other)
    apart = jnp.where(larger > smaller, smaller - larger, 0.0)
    step = jax.nn.sigmoid(larger) * jax.nn.sigmoid(-smaller) * -jnp.expm1(apart)
    step = jnp.where(other >= one, step, -step)
    no_more = jax.nn.sigmoid(-one), jax.nn.sigmoid(-other)
    if not any(hurdles):
        return step * jnp.exp(nb[1][1]) + no_more[0] * of_nb
    for place, sign in enumerate((-1, 1)):
        if not hurdles[place]:
            step = step + sign * no_more[place] * jnp.exp(nb[place][0])
    return step


def _of_two(a: tuple[Array, Array], b: tuple[Array, Array], step: Array) -> Array:
    """d(a, b), from the logarithms of both probabilities of each, and b - a."""
    return _part(a[0], b[0], step) + _part(a[1], b[1], -step)


def _part(log_a: Array, log_b: Array, step: Array) -> Array:
    """b - a (1 + log(b / a)), which is a (exp(d) - 1 - d) with d = log(b / a)."""
    possible, excluded = log_a > -jnp.inf, log_b == -jnp.inf
    known = jnp.maximum(jnp.where(possible, log_a, 0.0), float(np.finfo(log_a.dtype).minexp) / 2)
    d = _log1p_or(step * jnp.exp(-known), jnp.where(excluded, 0.0, log_b) - known)
    value = _term(known, d, jnp.where(excluded, 0.0, jnp.exp(log_b)))
    value = jnp.where(excluded, jnp.inf, value)
    return jnp.where(possible, value, jnp.exp(log_b))


def _term(log_a: Array, d: Array, b: Array) -> Array:
    a, small = jnp.exp(log_a), jnp.abs(d) < 0.5
    return jnp.where(small, a * excess(jnp.where(small, d, 0.0)), b - a * (1 + d))


def _log1p_or(relative: Array, logarithm: Array) -> Array:
    """log(1 + relative) where that is near 0, else what it is as a difference of logarithms."""
    near = jnp.abs(relative) < 0.5
    return jnp.where(near, jnp.log1p(jnp.where(near, relative, 0.0)), logarithm)


class _Means(NamedTuple):
    """log P(x; mu_2, theta) - log P(x; mu_1, theta) = slope x + of_zero."""

    slope: Array
    of_zero: Array


def _of_means(mu_1: Array, mu_2: Array, theta: Array) -> _Means:
    step, first, second = mu_2 - mu_1, theta + mu_1, theta + mu_2
    u = step / first
    log_u = _log1p_or(u, jnp.log(second) - jnp.log(first))
    small = jnp.abs(u) < _SMALL
    v = jnp.where(small, u, 0.0)
    near = step * (theta / first) * (1 - v / 2 * (1 - v * (2 / 3)))
    of_zero = -jnp.where(small, near, jnp.where(small, 0.0, theta) * log_u)
    some = mu_2 > 0
    logs = jnp.log(jnp.where(some, mu_2, mu_1)) - jnp.log(mu_1) - log_u
    slope = _log1p_or(theta / second * (step / mu_1), logs)
    return _Means(jnp.where(some, slope, -jnp.inf), of_zero)


def _of_zeros(mu_1: Array, theta_1: Array, mu_2: Array, theta_2: Array) -> Array:
    """log(p_2 / p_1), without a derivative."""
    mu_1, theta_1, mu_2, theta_2 = lax.stop_gradient((mu_1, theta_1, mu_2, theta_2))
    theta_1, theta_2 = (jnp.minimum(theta, largest(theta.dtype)) for theta in (theta_1, theta_2))
    of_thetas = log_ratio(jnp.zeros_like(mu_1), mu_1, theta_1, theta_2)[1]
    return of_thetas + _of_means(mu_1, mu_2, theta_2).of_zero


def _of_positive(mu_1: Array, theta_1: Array, mu_2: Array, theta_2: Array) -> Array:
    """D_T as a sum over the positive counts.

    With d = log(P_2 / P_1) of these, it is E(exp(d) - 1 - d), of terms of one sign, where the
    distributions are close. Elsewhere it is -d(1) - E(d(X) - d(1)), of which d(1) is the difference
    of two logarithms that are known relative to themselves where all counts are 1.
    """
    least = float(np.finfo(mu_1.dtype).tiny) * 2.0**24
    t_1, t_2 = (jnp.clip(t, least, largest(t.dtype)) for t in (theta_1, theta_2))
    m_1, m_2 = (jnp.clip(m, least, largest(m.dtype)) for m in (mu_1, mu_2))
    (zero_1, rest_1), (zero_2, rest_2) = zero_and_rest(m_1, t_1), zero_and_rest(m_2, t_2)
    relative = -jnp.exp(zero_1) * jnp.expm1(_of_zeros(m_1, t_1, m_2, t_2)) * jnp.exp(-rest_1)
    of_rest = _log1p_or(relative, rest_2 - rest_1)
    means = _of_means(m_1, m_2, t_2)
    of_one = log_probability_of_one(m_2, t_2, zero_2) - log_probability_of_one(m_1, t_1, zero_1)
    close = jnp.abs(step_in_v(m_1, t_1, t_2)) < _CLOSE
    close &= jnp.abs(jnp.log(m_2) - jnp.log(m_1)) < _CLOSE
    values = lax.stop_gradient((means.slope, means.of_zero - of_rest, close.astype(m_1.dtype)))
    given = (m_1, t_1, m_2, t_2, rest_1, rest_2, of_one, *values)
    total = summed(_at, nodes(m_1, t_1), *given, fewest=1)
    return jnp.where(close, total, total - of_one)


def _at(
    x: Array,
    weight: Weight,
    mu_1: Array,
    theta_1: Array,
    mu_2: Array,
    theta_2: Array,
    rest_1: Array,
    rest_2: Array,
    of_one: Array,
    slope: Array,
    shift: Array,
    close: Array,
) -> Array:
    floor = jnp.zeros((1,) * mu_1.ndim, mu_1.dtype)
    log_1, log_2 = (
        log_nb(x, mu, theta, floor, SCALES) - rest
        for mu, theta, rest in ((mu_1, theta_1, rest_1), (mu_2, theta_2, rest_2))
    )
    of_thetas = log_ratio(x, *lax.stop_gradient((mu_1, theta_1, theta_2)))[1]
    d, log_p = (
        _with_derivatives_of(log_2 - log_1, of_thetas + slope * x + shift),
        log_1 + weight.log,
    )
    near = _term(log_p, d, jnp.exp(log_p + jnp.where(close > 0, d, 0.0)))
    far = jnp.where(x > 1, -jnp.exp(log_p) * (d - of_one), 0.0)
    return weight.sign * jnp.where(close > 0, near, far)
