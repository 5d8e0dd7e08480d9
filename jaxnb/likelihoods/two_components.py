"""Log-probability of a mixture of two components, and its weights, without cancellation.

Both the zero-inflated distribution (component 1 is the point mass) and the mixture of two negative
binomials are log(sigma(q) e**a + sigma(-q) e**b) with a, b the components' log-probabilities and q
the log-odds of the first. With d = a - b, t = q + d is the log-odds of component 1 once the count
has been seen, and

    d/da = sigma(t),  d/db = sigma(-t),  d/dq = sigma(t) - sigma(q).

The last is proportional to d where the components are alike, so it needs d as accurately as the
caller can tell it, not as a difference of two rounded numbers. Notation: D = e**-|t|, E = e**-|q|.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.likelihoods.arguments import largest
from jaxnb.likelihoods.evaluate import Directions, dot
from jaxnb.special.elementary import reciprocal
from jaxnb.special.exponential import exp, expm1
from jaxnb.special.log1p import double_atanh

__all__ = [
    "Component",
    "Factors",
    "d_log_odds",
    "hessian_product",
    "log_two_components",
    "weight_factors",
]


class _Odds(NamedTuple):
    """The log-odds, bounded, and their exponentials, from which all else follows cheaply.

    Attributes:
        d: a - b.
        q: Prior log-odds of component 1.
        t: Their sum.
        root: e**(-|t|/2).
        prior: e**-|q|.
    """

    d: Array
    q: Array
    t: Array
    root: Array
    prior: Array


def _odds(d: Array, q: Array) -> _Odds:
    # q reaches further than d: an infinite prior log-odds outweighs any data
    limit = largest(q.dtype)
    d, q = _between(d, limit / 2), _between(q, limit)
    t = q + d
    return _Odds(d, q, t, exp(-0.5 * _abs(t)), exp(-_abs(q)))


@jax.custom_jvp
def log_two_components(a: Array, b: Array, d: Array, q: Array) -> Array:
    """log(sigma(q) e**a + sigma(-q) e**b) with d = a - b; a, b and d may be infinite.

    The larger of the two terms is taken out:

        (a or b) + (its log-prior, short of log(1 + E)) + log((1 + D) / (1 + E)),

    where the last is 2 atanh(v) with v = (D - E) / (2 + D + E), |v| <= 1/3, and D - E is
    E expm1(-|d|) or -D expm1(-|d|) if t and q have the same sign. If they have not, the prior's
    term is as large as what the difference loses.
    """
    o = _odds(d, q)
    first, prior_first = o.t >= 0, o.q >= 0
    posterior = o.root * o.root
    closer = prior_first == (o.d >= 0)  # |t| >= |q|, so that D - E = E expm1(-|d|)
    factored = jnp.where(closer, o.prior, -posterior) * expm1(-_abs(o.d))
    excess = jnp.where(first == prior_first, factored, posterior - o.prior)
    v = excess * reciprocal(2 + (posterior + o.prior))
    log_prior = jnp.where(first, jnp.minimum(o.q, 0.0), jnp.minimum(-o.q, 0.0))
    return jnp.where(first, a, b) + (log_prior + double_atanh(v))


@log_two_components.defjvp
def _log_two_components_jvp(
    primals: tuple[Array, ...], tangents: tuple[Array, ...]
) -> tuple[Array, Array]:
    a, b, d, q = primals
    along_a, along_b, _, along_q = tangents  # d is a - b, and adds nothing to them
    weight_1, weight_2 = weight_factors(d, q)
    return log_two_components(a, b, d, q), (
        weight_1.times(along_a) + weight_2.times(along_b) + d_log_odds(d, q) * along_q
    )


class Factors(NamedTuple):
    """Two factors of a weight: weight x derivative can be formed where the weight underflows."""

    outer: Array
    inner: Array

    def times(self, derivative: Array) -> Array:
        """The weight times a derivative."""
        return self.outer * (self.inner * derivative)


def weight_factors(d: Array, q: Array) -> tuple[Factors, Factors]:
    """sigma(t) and sigma(-t), each in two factors of which none underflows for |t| < 170."""
    return _weight_factors(_odds(d, q))


def _weight_factors(o: _Odds) -> tuple[Factors, Factors]:
    first = o.t >= 0
    larger = reciprocal(1 + o.root * o.root)
    smaller = larger * o.root
    return (
        Factors(jnp.where(first, 1.0, o.root), jnp.where(first, larger, smaller)),
        Factors(jnp.where(first, o.root, 1.0), jnp.where(first, smaller, larger)),
    )


@jax.custom_jvp
def d_log_odds(d: Array, q: Array) -> Array:
    """sigma(t) - sigma(q) = -expm1(-d) sigma(t) sigma(-q) = expm1(d) sigma(-t) sigma(q)."""
    o = _odds(d, q)
    posterior = o.root * o.root
    rises = o.d >= 0
    weight = jnp.where((o.t >= 0) == rises, 1.0, posterior)
    weight = weight * jnp.where((o.q < 0) == rises, 1.0, o.prior)
    scaled = weight * reciprocal((1 + posterior) * (1 + o.prior))
    return jnp.where(rises, -scaled, scaled) * expm1(-_abs(o.d))


@d_log_odds.defjvp
def _d_log_odds_jvp(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    # along d, sigma'(t); along q, sigma'(t) - sigma'(q)
    value, o = d_log_odds(*primals), _odds(*primals)
    along_d, along_q = tangents
    of_d = _posterior_variance(o)
    return value, of_d * along_d + value * _of_d_log_odds(o) * along_q


def _posterior_variance(o: _Odds) -> Array:
    """sigma'(t) = sigma(t) sigma(-t)."""
    one, two = _weight_factors(o)
    return one.times(two.outer * two.inner)


def _of_d_log_odds(o: _Odds) -> Array:
    """(sigma'(t) - sigma'(q)) / (sigma(t) - sigma(q)) = 1 - sigma(t) - sigma(q).

    As the difference of two complements, or of two weights, whichever is small.
    """
    posterior, half = o.root * o.root, reciprocal(1 + o.prior)
    larger = reciprocal(1 + posterior)
    one = jnp.where(o.t >= 0, larger, posterior * larger)
    two = jnp.where(o.t >= 0, posterior * larger, larger)
    smaller_prior = o.prior * half
    return jnp.where(o.q >= 0, smaller_prior - one, two - smaller_prior)


class Component(NamedTuple):
    """What one component adds to Hessian x vector.

    Attributes:
        gradient: Its first derivatives, by the places of their arguments.
        products: The rows of its own Hessian times the vector, in the same way.
    """

    gradient: dict[int, Array]
    products: dict[int, Array]


def hessian_product(
    d: Array,
    d_of_log_odds: Array,
    q: Array,
    components: tuple[Component, Component],
    rows: tuple[int, ...],
    directions: Directions,
    *,
    place_of_q: int,
) -> list[Array]:
    """Rows of the Hessian times a vector v.

    With w the weights, g_k v the derivative of component k along v, and
    e = g_1 v - g_2 v + v_q, a row of component 1 is w_1 (H_1 v + w_2 e g_1), one of component 2
    w_2 (H_2 v - w_1 e g_2), and that of the log-odds

        w_1 w_2 (g_1 v - g_2 v) + (sigma(t) - sigma(q)) (1 - sigma(t) - sigma(q)) v_q.

    Args:
        d: The difference of the two log-probabilities.
        d_of_log_odds: The first derivative in q, by `d_log_odds`.
        q: The log-odds.
        components: The components; that of a point mass has no derivatives.
        rows: The places of the arguments whose rows are wanted.
        directions: The vector.
        place_of_q: The place of the log-odds among the arguments.
    """
    o = _odds(d, q)
    weights = _weight_factors(o)
    along = [
        _finite(jnp.asarray(dot(c.gradient, _only(directions, c.gradient)))) for c in components
    ]
    difference = _finite(along[0] - along[1])
    of_q = directions.get(place_of_q)
    total = difference if of_q is None else _finite(difference + of_q)
    signed = (weights[1].times(total), weights[0].times(-total))

    results = []
    for row in rows:
        if row == place_of_q:
            result = _posterior_variance(o) * difference
            if of_q is not None:
                result = result + d_of_log_odds * _of_d_log_odds(o) * of_q
            results.append(result)
            continue
        parts = [
            weight.times(_finite(c.products[row] + _finite(c.gradient[row] * e)))
            for weight, c, e in zip(weights, components, signed, strict=True)
            if row in c.products
        ]
        results.append(sum(parts[1:], parts[0]))
    return results


def _only(directions: Directions, gradient: dict[int, Array]) -> Directions:
    return {place: v for place, v in directions.items() if place in gradient}


def _finite(z: Array) -> Array:
    # so that its product with a weight of 0 is 0
    largest_number = float(np.finfo(z.dtype).max)
    return jnp.clip(z, -largest_number, largest_number)


def _abs(z: Array) -> Array:
    """|z| with the derivative 1 at 0, where `weight_factors` counts 0 among the positive."""
    return jnp.where(z >= 0, z, -z)


def _between(z: Array, limit: float) -> Array:
    # by selects: the derivative of jnp.clip costs four divisions
    return jnp.where(z < -limit, -limit, jnp.where(z > limit, limit, z))
