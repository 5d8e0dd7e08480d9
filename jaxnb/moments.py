"""Mean, variance and mode of each distribution, also at the ends of its parameters' ranges.

Means and variances are written once for arrays and for tensors. `xp` is the library that they are
computed in: `ARRAYS` for jax.numpy, or any module with the same functions, such as torch.
Modes are for arrays only, since they have no derivative.
"""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxnb._types import Array
from jaxnb.likelihoods import log_hurdle_nb, log_mixture_nb, log_zinb_positive

__all__ = [
    "ARRAYS",
    "hurdle_mean",
    "hurdle_mode",
    "hurdle_variance",
    "mixture_mean",
    "mixture_mode",
    "mixture_variance",
    "nb_mean",
    "nb_mode",
    "nb_variance",
    "zero_truncated_mean",
    "zero_truncated_mode",
    "zero_truncated_variance",
    "zinb_mean",
    "zinb_mode",
    "zinb_variance",
]

ARRAYS = SimpleNamespace(
    where=jnp.where,
    floor=jnp.floor,
    isnan=jnp.isnan,
    sigmoid=jax.nn.sigmoid,
    log=jnp.log,
    log1p=jnp.log1p,
    exp=jnp.exp,
    expm1=jnp.expm1,
)


def nb_mean(mu: Any, theta: Any, *, xp: Any = ARRAYS) -> Any:
    """The mean mu, but 0 at theta = 0, where the distribution is the point mass at zero."""
    return xp.where(theta == 0, 0.0, mu)


def nb_variance(mu: Any, theta: Any, *, xp: Any = ARRAYS) -> Any:
    """The variance mu + mu**2 / theta; mu at theta = inf, 0 at theta = 0."""
    # mu * (mu / theta), since mu**2 overflows first; the inner where is for the gradient at 0
    positive = xp.where(theta == 0, 1.0, theta)
    return xp.where(theta == 0, 0.0, mu + mu * (mu / positive))


def nb_mode(mu: Array, theta: Array) -> Array:
    """floor(mu (theta - 1) / theta) where theta > 1, else 0; the larger one of two modes.

    P(k) >= P(k - 1) where mu <= (mu - k) theta. Close to the rounded formula k is decided by that
    comparison, whose difference is exact, and the product where the two sides are equal.
    """
    above_one = jnp.where(theta > 1, theta, 1.0)
    rounded = jnp.floor(mu * (1 - 1 / above_one))
    mode = jnp.maximum(rounded - 1, 0.0)
    for k in (rounded, rounded + 1):
        poisson = (above_one == jnp.inf) & (k <= mu)
        mode = jnp.where(poisson | (mu <= (mu - k) * above_one), k, mode)
    mode = jnp.where(mu < jnp.inf, mode, rounded)
    return jnp.where(jnp.isnan(mu + theta), jnp.nan, mode)


def zinb_mean(mu: Any, theta: Any, zi_logits: Any, *, xp: Any = ARRAYS) -> Any:
    """The mean of the negative binomial times the probability of no additional zero."""
    return xp.sigmoid(-zi_logits) * nb_mean(mu, theta, xp=xp)


def zinb_variance(mu: Any, theta: Any, zi_logits: Any, *, xp: Any = ARRAYS) -> Any:
    """(1 - p) (v + p m**2), p = sigmoid(zi_logits), m and v those of the negative binomial."""
    mean, variance = nb_mean(mu, theta, xp=xp), nb_variance(mu, theta, xp=xp)
    inflated, counted = xp.sigmoid(zi_logits), xp.sigmoid(-zi_logits)
    return counted * (variance + mean * (inflated * mean))


def zinb_mode(mu: Array, theta: Array, zi_logits: Array) -> Array:
    """0 or the mode of the negative binomial, whichever is more probable; 0 if neither."""
    candidate = nb_mode(mu, theta)
    at_candidate = log_zinb_positive(candidate, mu, theta, zi_logits)
    at_zero = log_zinb_positive(0, mu, theta, zi_logits)
    return jnp.where(at_candidate > at_zero, candidate, candidate * 0)


def mixture_mean(
    mu_1: Any, mu_2: Any, theta_1: Any, theta_2: Any, pi_logits: Any, *, xp: Any = ARRAYS
) -> Any:
    """The components' means weighted by their probabilities."""
    weight_1, weight_2 = xp.sigmoid(pi_logits), xp.sigmoid(-pi_logits)
    return weight_1 * nb_mean(mu_1, theta_1, xp=xp) + weight_2 * nb_mean(mu_2, theta_2, xp=xp)


def mixture_variance(
    mu_1: Any, mu_2: Any, theta_1: Any, theta_2: Any, pi_logits: Any, *, xp: Any = ARRAYS
) -> Any:
    """The weighted variances plus w1 w2 (m1 - m2)**2, m the means, w the probabilities."""
    weight_1, weight_2 = xp.sigmoid(pi_logits), xp.sigmoid(-pi_logits)
    within = weight_1 * nb_variance(mu_1, theta_1, xp=xp)
    within = within + weight_2 * nb_variance(mu_2, theta_2, xp=xp)
    between = nb_mean(mu_1, theta_1, xp=xp) - nb_mean(mu_2, theta_2, xp=xp)
    return within + weight_1 * weight_2 * between * between


def mixture_mode(
    mu_1: Array, mu_2: Array, theta_1: Array, theta_2: Array, pi_logits: Array
) -> Array:
    """The most probable count, which lies between the modes of the components."""
    parameters = (mu_1, mu_2, theta_1, theta_2, pi_logits)
    modes = nb_mode(mu_1, theta_1), nb_mode(mu_2, theta_2)
    shape = jnp.broadcast_shapes(*(jnp.shape(parameter) for parameter in parameters))
    low, high = (
        jnp.broadcast_to(bound, shape) for bound in (jnp.minimum(*modes), jnp.maximum(*modes))
    )

    def log_prob(x: Array) -> Array:
        value: Array = log_mixture_nb(x, *parameters)
        return value

    return _mode_between(log_prob, low, high)


def zero_truncated_mean(mu: Any, theta: Any, *, xp: Any = ARRAYS) -> Any:
    """mu / (1 - P(0)), which is 1 at mu = 0; NaN at theta = 0."""
    return 1 + _excess_mean(mu, theta, xp)


def zero_truncated_variance(mu: Any, theta: Any, *, xp: Any = ARRAYS) -> Any:
    """M (mu (1 + 1 / theta) - (M - 1)) with M the mean, which is small where mu is.

    Where zeros are rare, mu - (M - 1) is a small difference of large numbers, and is taken as
    1 - mu P(0) / (1 - P(0)).
    """
    excess = _excess_mean(mu, theta, xp)
    over_theta = mu / xp.where(theta > 0, theta, 1.0)
    y = _minus_log_zero(mu, theta, xp)
    rare = y > 1
    probability = xp.exp(-xp.where(rare, y, 1.0))
    removed = xp.where(rare & (mu < math.inf), mu, 0.0) * (probability / (1 - probability))
    variance = (1 + excess) * xp.where(rare, 1 + over_theta - removed, mu + over_theta - excess)
    return xp.where(mu == math.inf, mu, variance)


def _ratio(mu: Any, theta: Any, xp: Any) -> tuple[Any, Any, Any]:
    """mu / theta, whether it is small, and where it is not, it and its log(1 + ratio)."""
    ratio = xp.where(mu == math.inf, 0.0, mu) / xp.where(theta > 0, theta, 1.0)
    near, overflows = ratio < _SMALL_RATIO, ratio == math.inf
    large = xp.where(near | overflows, 1.0, ratio)
    apart = xp.log(xp.where(overflows, mu, 1.0)) - xp.log(xp.where(overflows, theta, 1.0))
    return ratio, near, xp.where(overflows, apart, xp.log1p(large))


def _excess_mean(mu: Any, theta: Any, xp: Any) -> Any:
    """The mean less 1, (mu - (1 - P(0))) / (1 - P(0)), relative to itself.

    With r = mu / theta, y = -log P(0) = theta log(1 + r), a = 1 - log(1 + r) / r and
    b = 1 - (1 - exp(-y)) / y, both of which vanish with mu, it is (a / (1 - a) + b) / (1 - b).
    """
    valid = theta > 0
    ratio, near, log_ratio = _ratio(mu, theta, xp)
    small, large = xp.where(near, ratio, 0.0), xp.where(near | (ratio == math.inf), 1.0, ratio)
    a = small * _alternating(small)
    first = xp.where(near, a / (1 - a), (large - log_ratio) / log_ratio)
    y = _minus_log_zero(mu, theta, xp)
    near = y < _SMALL_Y
    small, large = xp.where(near, y, 0.0), xp.where(near, 1.0, y)
    b = xp.where(near, small * _exponential(small), 1 + xp.expm1(-large) / large)
    rest = xp.where(near, 1 - small * _exponential(small), -xp.expm1(-large) / large)
    excess = (first + b) / rest
    # M = mu / (1 - P(0)), far above 1 where r overflows
    overflows = ratio == math.inf
    excess = xp.where(overflows, mu / xp.where(overflows, y * rest, 1.0), excess)
    return xp.where(valid, xp.where(mu == math.inf, mu, excess), math.nan)


def _minus_log_zero(mu: Any, theta: Any, xp: Any) -> Any:
    """-log P(0) of the negative binomial, theta log(1 + mu / theta)."""
    ratio, near, log_ratio = _ratio(mu, theta, xp)
    small = xp.where(near, ratio, 0.0)
    bounded, t = xp.where(mu == math.inf, 0.0, mu), xp.where(near, 1.0, theta)
    return xp.where(near, bounded * (1 - small * _alternating(small)), t * log_ratio)


# Series, to the last digit of float64, where the closed forms lose more than three bits.
_SMALL_RATIO, _TERMS_RATIO = 0.3, 30
_SMALL_Y, _TERMS_Y = 1.0, 18


def _alternating(z: Any) -> Any:
    """(z - log(1 + z)) / z**2 = 1/2 - z/3 + z**2/4 - ..."""
    value = z * 0
    for k in range(_TERMS_RATIO + 1, 1, -1):
        value = 1 / k - z * value
    return value


def _exponential(z: Any) -> Any:
    """(z - 1 + exp(-z)) / z**2 = 1/2 - z/6 + z**2/24 - ..."""
    value = z * 0 + 1.0
    for k in range(_TERMS_Y, 2, -1):
        value = 1 - z / k * value
    return value / 2


def zero_truncated_mode(mu: Array, theta: Array) -> Array:
    """The mode of the negative binomial, but at least 1."""
    mode = jnp.maximum(nb_mode(mu, theta), 1.0)
    return jnp.where(theta > 0, mode, jnp.nan)


def hurdle_mean(mu: Any, theta: Any, pi: Any, *, xp: Any = ARRAYS) -> Any:
    """The mean of the zero-truncated negative binomial times the probability of no zero."""
    return xp.sigmoid(-pi) * zero_truncated_mean(mu, theta, xp=xp)


def hurdle_variance(mu: Any, theta: Any, pi: Any, *, xp: Any = ARRAYS) -> Any:
    """(1 - p) (v + p m**2), p = sigmoid(pi), m and v those of the truncated distribution."""
    mean = zero_truncated_mean(mu, theta, xp=xp)
    variance = zero_truncated_variance(mu, theta, xp=xp)
    return xp.sigmoid(-pi) * (variance + mean * (xp.sigmoid(pi) * mean))


def hurdle_mode(mu: Array, theta: Array, pi: Array) -> Array:
    """0 or the mode of the truncated distribution, whichever is more probable; 0 if neither."""
    candidate = zero_truncated_mode(mu, theta)
    at_candidate = log_hurdle_nb(candidate, mu, theta, pi)
    at_zero = log_hurdle_nb(0, mu, theta, pi)
    mode = jnp.where(at_candidate > at_zero, candidate, candidate * 0)
    return jnp.where(jnp.isnan(pi), jnp.nan, mode)


# 16 intervals a round, of which two are kept: 18 rounds bring 2**53 down to single counts.
_INTERVALS = 16
_ROUNDS = 18


def _mode_between(log_prob: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """The whole number in [low, high] with the greatest log-probability.

    Exact where there is one mode between the bounds, or one near each of them. The first grid is
    therefore dense at both ends; later ones divide the bracket around the best point evenly.
    """
    width = _row(high - low)
    steps = jnp.floor(jnp.minimum(_column(2.0 ** jnp.arange(-1.0, 53.0), low), width))
    first = jnp.sort(jnp.concatenate([_row(low) + steps, _row(high) - steps]), axis=0)
    fractions = _column(jnp.arange(_INTERVALS + 1) / _INTERVALS, low)

    def divided(low: Array, high: Array) -> Array:
        return jnp.floor(_row(low) + _row(high - low) * fractions)

    def narrow(_: int, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        return _around_best(log_prob, divided(*bracket), 1)

    bracket = _around_best(log_prob, first, 1)
    last = divided(*lax.fori_loop(0, _ROUNDS, narrow, bracket))
    return _around_best(log_prob, last, 0)[0]


def _row(values: Array) -> Array:
    return jnp.expand_dims(values, 0)


def _column(values: Array, like: Array) -> Array:
    return jnp.expand_dims(values.astype(like.dtype), range(1, 1 + like.ndim))


def _around_best(
    log_prob: Callable[[Array], Array], grid: Array, distance: int
) -> tuple[Array, Array]:
    """The points `distance` places before and after the best one of a grid, or its ends."""
    best = jnp.argmax(log_prob(grid), axis=0, keepdims=True)
    places = (jnp.clip(best + shift, 0, len(grid) - 1) for shift in (-distance, distance))
    before, after = (jnp.take_along_axis(grid, place, axis=0)[0] for place in places)
    return before, after
