"""Distributions truncated to an interval: tails, quantiles and means, from any kernel.

With P the probability of the counts from a to b, the truncated distribution has the tails
P(a..x) / P(a..b) and P(x + 1..b) / P(a..b), of which the smaller one is taken; each is a difference
of log-probabilities of intervals, which lose nothing in either tail (`interval_kernel`).
"""

from __future__ import annotations

from functools import partial
from typing import Final

import jax
import jax.numpy as jnp
from jax import lax

from jaxnb._elementwise import filled_like
from jaxnb._materialize import if_any
from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.calls import Kernel, quantile_of_arrays
from jaxnb.cdf.interval_kernel import log_probability_of_interval, log_tails_at_both, whole_ends
from jaxnb.cdf.levels import Level, LevelKind
from jaxnb.cdf.nb_kernel import NEGATIVE_BINOMIAL
from jaxnb.cdf.summation import nodes
from jaxnb.cdf.tails import Tails
from jaxnb.likelihoods.arguments import Given, Scales, argument, checked, promote
from jaxnb.special.complements import log1m_exp_of_any

__all__ = ["truncated_log_tail", "truncated_mean", "truncated_quantile"]

# What is hidden: less than exp(-3) of what is beyond either end. The numbers of times that the
# largest interval of exact whole numbers can be halved.
_HIDDEN: Final = 3.0
_HALVINGS: Final = {"float32": 26, "float64": 55}


def truncated_log_tail(
    kernel: Kernel,
    owner: str,
    x: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    upper: bool,
    **parameters: Given,
) -> Array:
    """log P(X > x) if `upper`, else log P(X <= x), given low <= X <= high."""
    names, given, scales = checked(owner, parameters)
    result: Array = _log_tail(kernel, upper, scales, names, argument("x", x), low, high, *given)
    return result


def truncated_quantile(
    kernel: Kernel,
    owner: str,
    q: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    upper: bool,
    **parameters: Given,
) -> Array:
    """The smallest x with P(X <= x) >= q given low <= X <= high; with `upper`, P(X > x) <= q.

    The first count at q = 0, the last one at q = 1; NaN for what is not a probability, or where the
    interval has none. It is that of the distribution itself at the level that q is there, from the
    smaller tail, and where the interval has few counts a sum of their probabilities.
    """
    names, given, scales = checked(owner, parameters)
    result: Array = _quantile(kernel, upper, scales, names, argument("q", q), low, high, *given)
    return result


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _log_tail(
    kernel: Kernel,
    upper: bool,
    scales: Scales,
    names: tuple[str, ...],
    x: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *parameters: ArrayLike,
) -> Array:
    named = dict(zip(names, parameters, strict=True))
    result_type, (x, low, high, *aligned) = promote(x=x, low=low, high=high, **named)
    x = jnp.floor(lax.stop_gradient(x))
    a, b = whole_ends(kernel, low, high)
    inside = jnp.clip(x, a - 1, b)
    first = jnp.stack(jnp.broadcast_arrays(low, low, inside + 1))
    last = jnp.stack(jnp.broadcast_arrays(high, inside, high))
    of_interval = log_probability_of_interval(
        kernel, scales, first, last, *(p[None] for p in aligned)
    )
    total, lower, higher = of_interval
    return _tails(total, lower, higher)[upper].astype(result_type)


def _tails(total: Array, lower: Array, higher: Array) -> Tails:
    """The tails from log P(a..b), log P(a..x) and log P(x + 1..b)."""
    use_lower = lower < higher
    smaller = jnp.minimum(jnp.where(use_lower, lower, higher) - total, 0.0)
    other = log1m_exp_of_any(smaller)
    return Tails(jnp.where(use_lower, smaller, other), jnp.where(use_lower, other, smaller))


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _quantile(
    kernel: Kernel,
    upper: bool,
    scales: Scales,
    names: tuple[str, ...],
    q: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *parameters: ArrayLike,
) -> Array:
    named = dict(zip(names, parameters, strict=True))
    result_type, arguments = promote(x=q, low=low, high=high, **named)
    q, low, high, *aligned = map(lax.stop_gradient, arguments)
    q = jnp.broadcast_to(q, jnp.broadcast_shapes(*(a.shape for a in arguments)))
    target = LevelKind(logarithm=False, upper=upper).level(q)
    a, b = whole_ends(kernel, low, high)
    total = log_probability_of_interval(kernel, scales, low, high, *aligned)

    tails = log_tails_at_both(kernel, scales, a - 1, b, aligned)
    count = _at_level(kernel, scales, target, total, tails, aligned)
    log_q = target.log_upper if upper else target.log_lower
    if kernel.log_interval is not None:
        hidden = jnp.minimum(tails[0].log_cdf, tails[1].log_sf) > total + _HIDDEN
        count = if_any(
            hidden,
            lambda hidden, count, *given: jnp.where(
                hidden, _by_bisection(kernel, scales, upper, *given), count
            ),
            lambda _, count, *__: count,
            *(hidden, count, log_q, a, b, total, *aligned),
        )
    few = b - a < nodes(q.dtype)
    counted = if_any(
        few,
        lambda _, *given: _of_few(kernel, scales, upper, *given),
        lambda count, *_: count,
        *(count, log_q, a, b, total, *aligned),
    )
    count = jnp.clip(jnp.where(few, counted, count), a, b)

    unbounded = kernel.upper_end(scales, *aligned) > 0
    count = jnp.where((q == (0.0 if upper else 1.0)) & unbounded, b, count)
    count = jnp.where(q == (1.0 if upper else 0.0), a, count)
    valid = (q >= 0) & (q <= 1) & (total > -jnp.inf)
    return jnp.where(valid, count, jnp.nan).astype(result_type)


def _at_level(
    kernel: Kernel,
    scales: Scales,
    target: Level,
    total: Array,
    tails: tuple[Tails, Tails],
    parameters: list[Array],
) -> Array:
    """The quantile of the distribution itself at the level that is the same count."""
    before, at_last = tails
    log_lower = jnp.minimum(jnp.logaddexp(before.log_cdf, target.log_lower + total), 0.0)
    log_upper = jnp.minimum(jnp.logaddexp(at_last.log_sf, target.log_upper + total), 0.0)
    both = LevelKind(logarithm=True, upper=None)
    return quantile_of_arrays(kernel, both, scales, log_lower, log_upper, *parameters)


def _by_bisection(
    kernel: Kernel,
    scales: Scales,
    upper: bool,
    log_q: Array,
    a: Array,
    b: Array,
    total: Array,
    *parameters: Array,
) -> Array:
    """The quantile by halving the interval, where either tail beyond it is far more probable.

    Between the components of a mixture, or above additional zeros, the distribution functions of
    the ends and of all counts between them are the same number.
    """

    def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        below, reached = ends
        x = jnp.floor(below + (reached - below) / 2)
        first, last = (x + 1, b) if upper else (a, x)
        log_p = log_probability_of_interval(kernel, scales, first, last, *parameters) - total
        enough = (log_p <= log_q if upper else log_p >= log_q) | (x >= reached)
        return jnp.where(enough, below, x), jnp.where(enough, jnp.minimum(x, reached), reached)

    shape = filled_like(0.0, log_q, a, b, total, *parameters)
    finite = b < jnp.inf
    start = shape + (a - 1), shape + jnp.where(finite, b, a)
    ends: tuple[Array, Array] = lax.fori_loop(0, _HALVINGS[a.dtype.name], halve, start)
    return ends[1]


def _of_few(
    kernel: Kernel,
    scales: Scales,
    upper: bool,
    log_q: Array,
    a: Array,
    b: Array,
    total: Array,
    *parameters: Array,
) -> Array:
    """The quantile by summing the probabilities one by one, from the end that `upper` says."""

    def add(sums: tuple[Array, Array], place: Array) -> tuple[tuple[Array, Array], None]:
        before, count = sums
        log_p = kernel.log_probability(scales, a + place, *parameters) - total
        summed = jnp.logaddexp(before, jnp.where(a + place <= b, log_p, -jnp.inf))
        # beyond this count lies more than q, or up to it less
        passed = before > log_q if upper else summed < log_q
        return (summed, count + passed), None

    operands = log_q, a, b, total, *parameters
    start = filled_like(-jnp.inf, *operands), filled_like(0.0, *operands)
    places = jnp.arange(nodes(a.dtype), dtype=a.dtype)
    (_, count), _ = lax.scan(add, start, places, reverse=upper)
    return a + count


def truncated_mean(
    kernel: Kernel, owner: str, low: ArrayLike, high: ArrayLike, **parameters: Given
) -> Array:
    """The mean given low <= X <= high, with derivatives in the parameters.

    With NB(k; mu, theta) the probability, k NB(k; mu, theta) is mu times the probability of k - 1
    with theta + 1 and the mean mu (theta + 1) / theta. So is the sum over an interval, without any
    difference of numbers of the same size.
    """
    names, given, scales = checked(owner, parameters)
    result: Array = _mean(kernel, scales, names, low, high, *given)
    return result


@partial(jax.jit, static_argnums=(0, 1, 2))
def _mean(
    kernel: Kernel,
    scales: Scales,
    names: tuple[str, ...],
    low: ArrayLike,
    high: ArrayLike,
    *parameters: ArrayLike,
) -> Array:
    named = dict(zip(names, parameters, strict=True))
    result_type, (low, high, *aligned) = promote(x=low, high=high, **named)
    a, b = whole_ends(kernel, low, high)
    total = log_probability_of_interval(kernel, scales, low, high, *aligned)
    components = kernel.components(scales, *aligned)
    if not components:
        raise NotImplementedError("the mean of this distribution within bounds has no closed form")
    parts = []
    for part in components:
        infinite = part.theta == jnp.inf
        finite = jnp.where(infinite, 1.0, part.theta)
        mu = jnp.where(infinite, part.mu, part.mu * ((finite + 1) / finite))
        shifted = log_probability_of_interval(
            NEGATIVE_BINOMIAL, ("linear", "linear"), a - 1, b - 1, mu, part.theta + 1
        )
        parts.append(part.mu * jnp.exp(part.log_weight + shifted - total))
    mean = sum(parts[1:], parts[0])
    return jnp.clip(mean, a, b).astype(result_type)
