"""Log-probability of a mixture of two components, and its weights, without cancellation.

Both the zero-inflated law (component 1 is the point mass) and the mixture of two negative binomials
are log(sigma(q) e**a + sigma(-q) e**b) with a, b the components' log-probabilities and q the
log-odds of the first. With d = a - b, t = q + d is the log-odds of component 1 once the count has
been seen, and

    d/da = sigma(t),  d/db = sigma(-t),  d/dq = sigma(t) - sigma(q).

The last is proportional to d where the components are alike, so that it wants d as well as the
caller can tell it, not as a difference of two rounded numbers. Notation: D = e**-|t|, E = e**-|q|.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.likelihoods.arguments import largest
from jaxnb.likelihoods.derivatives import Slope
from jaxnb.special.elementary import reciprocal
from jaxnb.special.exponential import exp, expm1
from jaxnb.special.log1p import double_atanh

__all__ = [
    "Factors",
    "Odds",
    "d_log_odds",
    "log_two_components",
    "odds",
    "weight_factors",
    "weighted",
]


class Odds(NamedTuple):
    """The log-odds and their exponentials, from which all else follows cheaply.

    Attributes:
        d: a - b, bounded.
        q: Prior log-odds of component 1, bounded.
        root: e**(-|t|/2).
        prior: e**-|q|.
        gap: expm1(-|d|).
    """

    d: Array
    q: Array
    root: Array
    prior: Array
    gap: Array


def odds(d: Array, q: Array) -> Odds:
    """Bound d and q, infinite or not, and take their exponentials."""
    # q reaches further than d: an infinite prior log-odds outweighs any data
    limit = largest(q.dtype)
    d, q = jnp.clip(d, -limit / 2, limit / 2), jnp.clip(q, -limit, limit)
    return Odds(d, q, exp(-0.5 * _abs(q + d)), exp(-_abs(q)), expm1(-_abs(d)))


@jax.custom_jvp
def log_two_components(a: Array, b: Array, o: Odds) -> Array:
    """log(sigma(q) e**a + sigma(-q) e**b); a and b may be -inf.

    The larger of the two terms is taken out:

        (a or b) + (its log-prior, short of log(1 + E)) + log((1 + D) / (1 + E)),

    where the last is 2 atanh(v) with v = (D - E) / (2 + D + E), |v| <= 1/3, and D - E is
    E expm1(-|d|) or -D expm1(-|d|) if t and q have the same sign. If they have not, the prior's
    term is as large as what the difference loses.
    """
    first, likelier = o.q + o.d >= 0, o.q >= 0
    posterior = o.root * o.root
    closer = likelier == (o.d >= 0)  # |t| >= |q|, so that D - E = E expm1(-|d|)
    factored = jnp.where(closer, o.prior, -posterior) * o.gap
    excess = jnp.where(first == likelier, factored, posterior - o.prior)
    v = excess * reciprocal(2 + (posterior + o.prior))
    log_prior = jnp.where(first, jnp.minimum(o.q, 0.0), jnp.minimum(-o.q, 0.0))
    return jnp.where(first, a, b) + (log_prior + double_atanh(v))


@log_two_components.defjvp
def _log_two_components_jvp(
    primals: tuple[Array, Array, Odds], tangents: tuple[Array, Array, Odds]
) -> tuple[Array, Array]:
    a, b, o = primals
    along_a, along_b, along_o = tangents  # d is a - b, and adds nothing to them
    weight_1, weight_2 = weight_factors(o)
    return log_two_components(a, b, o), (
        weight_1.outer * (weight_1.inner * along_a)
        + weight_2.outer * (weight_2.inner * along_b)
        + d_log_odds(o) * along_o.q
    )


class Factors(NamedTuple):
    """Two factors of a weight, so that weight x slope can be formed where the weight underflows."""

    outer: Array
    inner: Array


def weight_factors(o: Odds) -> tuple[Factors, Factors]:
    """sigma(t) and sigma(-t), each in two factors of which none underflows for |t| < 170."""
    first = o.q + o.d >= 0
    larger = reciprocal(1 + o.root * o.root)
    smaller = larger * o.root
    return (
        Factors(jnp.where(first, 1.0, o.root), jnp.where(first, larger, smaller)),
        Factors(jnp.where(first, o.root, 1.0), jnp.where(first, smaller, larger)),
    )


def weighted(weight: Factors, slopes: Sequence[Slope]) -> list[Slope]:
    """The weight times each slope."""

    def times_weight(slope: Slope) -> Array:
        return weight.outer * (weight.inner * slope())

    return [partial(times_weight, slope) for slope in slopes]


@jax.custom_jvp
def d_log_odds(o: Odds) -> Array:
    """sigma(t) - sigma(q) = -expm1(-d) sigma(t) sigma(-q) = expm1(d) sigma(-t) sigma(q)."""
    posterior = o.root * o.root
    rises = o.d >= 0
    weight = jnp.where((o.q + o.d >= 0) == rises, 1.0, posterior)
    weight = weight * jnp.where((o.q < 0) == rises, 1.0, o.prior)
    scaled = weight * reciprocal((1 + posterior) * (1 + o.prior))
    return jnp.where(rises, -scaled, scaled) * o.gap


@d_log_odds.defjvp
def _d_log_odds_jvp(primals: tuple[Odds], tangents: tuple[Odds]) -> tuple[Array, Array]:
    # along d, sigma'(t); along q, sigma'(t) - sigma'(q), with the value as a factor
    (o,), (along,) = primals, tangents
    value = d_log_odds(o)
    (outer_1, inner_1), (outer_2, inner_2) = weight_factors(o)
    weight_2 = outer_2 * inner_2
    prior = jnp.where(o.q >= 0, 1.0, o.prior) * reciprocal(1 + o.prior)
    return value, outer_1 * inner_1 * weight_2 * along.d + value * (weight_2 - prior) * along.q


def _abs(z: Array) -> Array:
    """|z| with the derivative 1 at 0, where `weight_factors` counts 0 among the positive."""
    return jnp.where(z >= 0, z, -z)
