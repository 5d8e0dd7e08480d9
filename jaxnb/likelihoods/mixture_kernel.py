"""The mixture of two negative binomials with its first and second derivatives.

Notation of `two_components`. What is wanted of d = l_1 - l_2 is its digits where the components are
alike: there the derivative in the log-odds is proportional to d. Where the thetas are equal as well
it is formed without cancellation (`close_difference`).
"""

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Final

import jax.numpy as jnp

from jaxnb._materialize import computed_first
from jaxnb._types import Array
from jaxnb.likelihoods.arguments import Scales, largest
from jaxnb.likelihoods.evaluate import VALUE, Arguments, Directions, Likelihood, dot
from jaxnb.likelihoods.nb_evaluation import NegativeBinomial
from jaxnb.likelihoods.ranges import Theta, ordinary
from jaxnb.likelihoods.two_components import (
    Component,
    d_log_odds,
    hessian_product,
    log_two_components,
    weight_factors,
)
from jaxnb.likelihoods.weights import Weights, root_odds
from jaxnb.special.elementary import reciprocal
from jaxnb.special.exponential import exp, expm1
from jaxnb.special.log1p import double_atanh, log1p_minus_x

__all__ = ["MIXTURE"]

# the places of x, the mean and theta of each component among the arguments, and that of the odds
_PLACES: Final = ((0, 1, 3), (0, 2, 4))
_Q: Final = 5


def _component_scales(scales: Scales) -> tuple[Scales, Scales]:
    return scales[::2], scales[1::2]


def _ordinary(scales: Scales, x: Array, parameters: tuple[Array, ...], eps: Array) -> Array:
    mu_1, mu_2, theta_1, theta_2, _ = parameters
    of_1, of_2 = _component_scales(scales)
    return ordinary(of_1, x, mu_1, theta_1, eps) & ordinary(of_2, x, mu_2, theta_2, eps)


def _components(at: Arguments) -> tuple[NegativeBinomial, NegativeBinomial]:
    mu_1, mu_2, theta_1, theta_2, _ = at.parameters
    of_1, of_2 = _component_scales(at.scales)
    return (
        NegativeBinomial(of_1, at.x, mu_1, theta_1, at.eps, at.thetas[0]),
        NegativeBinomial(of_2, at.x, mu_2, theta_2, at.eps, at.thetas[1]),
    )


def _first(at: Arguments, outputs: tuple[int, ...]) -> list[Array]:
    return _first_everywhere(at, outputs) if at.everywhere else _first_ordinary(at, outputs)


def _product(at: Arguments, rows: tuple[int, ...], directions: Directions) -> list[Array]:
    function = _product_everywhere if at.everywhere else _product_ordinary
    return function(at, rows, directions)


def _total(parts: Iterable[Array]) -> Array:
    """The sum; the derivative in x has a part of each component."""
    return reduce(jnp.add, parts)


def close_difference(x: Array, mu_1: Array, mu_2: Array, t: Array, d: Array) -> Array:
    """d = log NB(x; mu_1, theta) - log NB(x; mu_2, theta), relative to itself.

    With a = theta (mu_1 - mu_2) / (mu_2 m_1), b = (mu_1 - mu_2) / m_2 and m = theta + mu, it is
    x log(1 + a) - theta log(1 + b). No gamma function is left, and with phi(u) = log(1 + u) - u the
    parts linear in mu_1 - mu_2 combine to

        x a - theta b = a (x - mu_2) - theta b (mu_1 - mu_2) / m_1.

    Where the means are far apart the components are not alike, and d is as good as it is given.
    """
    difference = mu_1 - mu_2
    m_1, m_2 = t + mu_1, t + mu_2
    inverse_mu_2, inverse_m_1, inverse_m_2 = (reciprocal(y) for y in (mu_2, m_1, m_2))
    a, b = (t * inverse_m_1) * (difference * inverse_mu_2), difference * inverse_m_2
    linear = a * (x - mu_2) - (difference * inverse_m_1) * t * b
    one_plus_a = (mu_1 * inverse_mu_2) * (m_2 * inverse_m_1)
    one_plus_b = m_1 * inverse_m_2
    near = (one_plus_a > 1 / 8) & (one_plus_a < 4) & (one_plus_b > 1 / 8) & (one_plus_b < 4)
    phi_a, phi_b = (
        log1p_minus_x(jnp.where(near, u, 0.0), jnp.where(near, one_plus_u, 1.0))
        for u, one_plus_u in ((a, one_plus_a), (b, one_plus_b))
    )
    return jnp.where(near, linear + (x * phi_a - t * phi_b), d)


def _closer(at: Arguments, d: Array) -> Array:
    """The difference d, better where the thetas are the same; of ordinary arguments alone."""
    t = at.thetas[0].d.theta
    usable = t == at.thetas[1].d.theta
    scales = _component_scales(at.scales)
    mu_1, mu_2, theta_1, theta_2, _ = at.parameters
    if at.everywhere:
        for scale, mu, theta in ((scales[0], mu_1, theta_1), (scales[1], mu_2, theta_2)):
            usable &= ordinary(scale, at.x, mu, theta, at.eps)
    means = [
        jnp.where(usable, jnp.exp(mu) if scale[0] == "log" else jnp.maximum(mu, at.eps), 1.0)
        for scale, mu in zip(scales, (mu_1, mu_2), strict=True)
    ]
    x = jnp.where(usable, at.x, 1.0) if at.everywhere else at.x
    close = close_difference(x, means[0], means[1], jnp.where(usable, t, 1.0), d)
    return jnp.where(usable, close, d)


# -- where nothing is unusual ---------------------------------------------------------------------


class _Odds:
    """What the prior log-odds q and the difference d add to the weights."""

    def __init__(self, weights: Weights, d: Array, q: Array) -> None:
        limit = largest(q.dtype)
        self._q = jnp.clip(q, -limit, limit)
        self._weights, self._d = weights, d
        self._prior = exp(-jnp.abs(self._q))
        self._half = reciprocal(1 + self._prior)
        self._expm1 = expm1(-jnp.abs(d))

    def value(self, log_1: Array, log_2: Array) -> Array:
        """As `log_two_components`."""
        first, small = self._weights.first, self._weights.small
        prior_first = self._q >= 0
        closer = prior_first == (self._d >= 0)
        factored = jnp.where(closer, self._prior, -small) * self._expm1
        excess = jnp.where(first == prior_first, factored, small - self._prior)
        v = excess * reciprocal(2 + (small + self._prior))
        log_prior = jnp.minimum(jnp.where(first, self._q, -self._q), 0.0)
        return jnp.where(first, log_1, log_2) + (log_prior + double_atanh(v))

    def d_q(self) -> Array:
        """sigma(t) - sigma(q), as `d_log_odds`."""
        w, rises = self._weights, self._d >= 0
        scale = jnp.where(w.first == rises, 1.0, w.small)
        scale = scale * jnp.where((self._q < 0) == rises, 1.0, self._prior)
        scaled = scale * reciprocal((1 + w.small) * (1 + self._prior))
        return jnp.where(rises, -scaled, scaled) * self._expm1

    def d_q_d_q(self) -> Array:
        w, smaller = self._weights, self._prior * self._half
        return self.d_q() * jnp.where(self._q >= 0, smaller - w.one, w.two - smaller)


def _first_ordinary(at: Arguments, outputs: tuple[int, ...]) -> list[Array]:
    q = at.parameters[-1]

    def values(at: Arguments) -> list[Array]:
        return [jnp.broadcast_to(nb.value(), at.shape) for nb in _components(at)]

    log_1, log_2 = _beforehand(values, at)
    d = log_1 - log_2
    weights = Weights(root_odds(q + d))
    components = _components(at)

    def output(place: int) -> Array:
        if place == VALUE:
            return _Odds(weights, d, q).value(log_1, log_2)
        if place == _Q:
            return _Odds(weights, _closer(at, d), q).d_q()
        times = (weights.times_one, weights.times_two)
        return _total(
            times[k](components[k].first(places.index(place)))
            for k, places in enumerate(_PLACES)
            if place in places
        )

    return [output(place) for place in outputs]


def _product_ordinary(at: Arguments, rows: tuple[int, ...], directions: Directions) -> list[Array]:
    q = at.parameters[-1]
    own = [
        {local: directions[place] for local, place in enumerate(places) if place in directions}
        for places in _PLACES
    ]

    def wide(array: Array) -> Array:
        return jnp.broadcast_to(array, at.shape)

    # in turn, each in full: the difference with the derivatives in theta, which share its gamma
    # functions; the difference along the vector; all else
    def differences(at: Arguments) -> list[Array]:
        first, second = _components(at)
        d = first.value_for_difference() - second.value_for_difference()
        return [wide(d), wide(first.first(2)), wide(second.first(2))]

    d, *d_thetas = _beforehand(differences, at)

    def gradient(nb: NegativeBinomial, d_theta: Array, places: set[int]) -> dict[int, Array]:
        return {local: d_theta if local == 2 else nb.first(local) for local in places}

    def along(at: Arguments, d_thetas: list[Array], own: list[Directions]) -> list[Array]:
        first, second = (
            dot(gradient(nb, d_theta, set(v)), v)
            for nb, d_theta, v in zip(_components(at), d_thetas, own, strict=True)
        )
        shape = jnp.broadcast_shapes(at.shape, *(a.shape for v in own for a in v.values()))
        return [jnp.broadcast_to(jnp.asarray(first - second, at.x.dtype), shape)]

    (delta,) = _beforehand(along, at, d_thetas, own)
    weights = Weights(root_odds(q + d))
    along_q = directions.get(_Q)
    total = delta if along_q is None else delta + along_q
    sides = (
        (weights.times_one, weights.two * total),
        (weights.times_two, -weights.one * total),
    )
    components = _components(at)

    def row_of(row: int) -> Array:
        if row == _Q:
            of_q = weights.both * delta
            if along_q is None:
                return of_q
            return of_q + _Odds(weights, _closer(at, d), q).d_q_d_q() * along_q
        parts = []
        for k, places in enumerate(_PLACES):
            if row in places:
                nb, local, (times, e) = components[k], places.index(row), sides[k]
                product = dot({other: nb.second(local, other) for other in own[k]}, own[k])
                of_gradient = gradient(nb, d_thetas[k], {local})[local]
                parts.append(times(product + of_gradient * e))
        return _total(parts)

    return [row_of(row) for row in rows]


def _beforehand(
    function: Callable[..., list[Array]], at: Arguments, *operands: object
) -> list[Array]:
    """The function's arrays, in full before all else."""

    def of_arrays(
        x: Array,
        parameters: tuple[Array, ...],
        eps: Array,
        thetas: tuple[Theta, ...],
        *operands: object,
    ) -> list[Array]:
        inside = at._replace(x=x, parameters=parameters, eps=eps, thetas=thetas)
        return function(inside, *operands)

    return computed_first(of_arrays, at.x, at.parameters, at.eps, at.thetas, *operands)


# -- everywhere -----------------------------------------------------------------------------------


def _subtracted(log_1: Array, log_2: Array) -> Array:
    # where both are -inf the count tells nothing of the component
    neither = (log_1 == -jnp.inf) & (log_2 == -jnp.inf)
    return jnp.where(neither, 0.0, jnp.where(neither, 0.0, log_1) - jnp.where(neither, 0.0, log_2))


def _first_everywhere(at: Arguments, outputs: tuple[int, ...]) -> list[Array]:
    components = _components(at)
    then, (log_1,) = at.after(components[0].value())
    components = components if then is at else _components(then)
    log_2 = components[1].value()
    if outputs == (VALUE,):
        d = _subtracted(log_1, log_2)
        return [log_two_components(log_1, log_2, d, then.parameters[-1])]
    then, (log_1, log_2) = then.after(log_1, log_2)
    d, q, found = _subtracted(log_1, log_2), then.parameters[-1], {}
    if VALUE in outputs:
        found[VALUE] = log_two_components(log_1, log_2, d, q)
    if _Q in outputs:
        found[_Q] = d_log_odds(_closer(then, d), q)
    for k, places in enumerate(_PLACES):
        then, (d,) = then.after(d)
        components = components if then is at else _components(then)
        weight = weight_factors(d, then.parameters[-1])[k]
        for local, place in enumerate(places):
            if place in outputs:
                part = weight.times(components[k].first(local))
                found[place] = found[place] + part if place in found else part
    return [found[place] for place in outputs]


def _product_everywhere(
    at: Arguments, rows: tuple[int, ...], directions: Directions
) -> list[Array]:
    q, components = at.parameters[-1], _components(at)
    d = _subtracted(*(nb.value() for nb in components))

    def component(nb: NegativeBinomial, places: tuple[int, ...]) -> Component:
        own = {k: directions[place] for k, place in enumerate(places) if place in directions}
        wanted = [k for k, place in enumerate(places) if place in (*rows, *directions)]
        return Component(
            {places[k]: nb.first(k) for k in wanted},
            {
                places[k]: jnp.asarray(dot({other: nb.second(k, other) for other in own}, own))
                for k in wanted
                if places[k] in rows
            },
        )

    first, second = (component(nb, places) for nb, places in zip(components, _PLACES, strict=True))
    d_q = d_log_odds(_closer(at, d), q)
    return hessian_product(d, d_q, q, (first, second), rows, directions, place_of_q=_Q)


MIXTURE: Final = Likelihood("mixture", (2, 3), (0, 1), _ordinary, _first, _product)
