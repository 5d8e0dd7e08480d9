"""The zero-inflated negative binomial with its first and second derivatives.

A zero comes from the extra zeros with log-odds pi, or from the negative binomial with
log-probability l. With s = sigma(pi) and t = pi - l, the log-odds of an extra zero once a zero has
been seen,

    x = 0: log(s + sigma(-pi) e**l),    d/dpi = -expm1(l) sigma(t) sigma(-pi),
    x > 0: l + log(sigma(-pi)),         d/dpi = -s.

Both are those of two components (`two_components`), of which the first is the point mass at 0, and
t is -infinity for x > 0. Where nothing is unusual, abs(pi) <= 60 included, the value is formed as
log(1 + u) with u = sigma(-pi) expm1(l), for x > 0 u = -s, and 1 + u as a sum of positive terms.
"""

from typing import Final

import jax.numpy as jnp

from jaxnb._materialize import computed_first
from jaxnb._types import Array
from jaxnb.likelihoods.arguments import Scales
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
from jaxnb.special.exponential import exp, exp_and_expm1
from jaxnb.special.log1p import log1p_minus_x

__all__ = ["ZERO_INFLATED"]

_PI: Final = 3  # its place among (x, mu, theta, pi)
_LARGEST_PI: Final = 60.0  # with which sigma(pi) and its complement are normal numbers


def _ordinary(scales: Scales, x: Array, parameters: tuple[Array, ...], eps: Array) -> Array:
    mu, theta, pi = parameters
    return ordinary(scales, x, mu, theta, eps) & (jnp.abs(pi) <= _LARGEST_PI)


def _first(at: Arguments, outputs: tuple[int, ...]) -> list[Array]:
    return _first_everywhere(at, outputs) if at.everywhere else _first_ordinary(at, outputs)


def _product(at: Arguments, rows: tuple[int, ...], directions: Directions) -> list[Array]:
    function = _product_everywhere if at.everywhere else _product_ordinary
    return function(at, rows, directions)


# -- where nothing is unusual ---------------------------------------------------------------------


class _Zeros:
    """The weights of the extra zeros; l is the value at x = 0 and anything elsewhere."""

    def __init__(self, zero: Array, value_at_zero: Array, pi: Array) -> None:
        self._zero = zero
        prior = exp(-jnp.abs(pi))
        half = reciprocal(1 + prior)
        other = prior * half
        self._positive, self._other = pi >= 0, other
        self._prior = jnp.where(self._positive, half, other)  # sigma(pi)
        self._rest = jnp.where(self._positive, other, half)  # sigma(-pi)
        self._exp, self._expm1 = exp_and_expm1(jnp.where(zero, value_at_zero, 0.0))
        # for x > 0 as far from an extra zero as can be
        self.weights = Weights(root_odds(jnp.where(zero, pi - value_at_zero, -jnp.inf)))

    def value(self, value_of_nb: Array) -> Array:
        u = jnp.where(self._zero, self._rest * self._expm1, -self._prior)
        at_zero = self._prior + self._rest * self._exp
        one_plus_u = jnp.where(self._zero, at_zero, self._rest)
        log1p_u = log1p_minus_x(u, one_plus_u) + u
        return jnp.where(self._zero, 0.0, value_of_nb) + log1p_u

    def d_pi(self) -> Array:
        at_zero = -self._expm1 * self.weights.one * self._rest
        return jnp.where(self._zero, at_zero, -self._prior)

    def d_pi_d_pi(self) -> Array:
        """As in `two_components`, sigma'(t) - sigma'(pi)."""
        w = self.weights
        factor = jnp.where(self._positive, self._other - w.one, w.two - self._other)
        return self.d_pi() * factor


def _negative_binomial(at: Arguments, phi_c: Array | None = None) -> NegativeBinomial:
    mu, theta, _ = at.parameters
    return NegativeBinomial(at.scales, at.x, mu, theta, at.eps, at.thetas[0], phi_c)


def _beforehand(at: Arguments, name: str) -> Array:
    """A quantity of the negative binomial, in full before all else."""

    def quantity(x: Array, mu: Array, theta: Array, eps: Array, of_theta: Theta) -> Array:
        nb = NegativeBinomial(at.scales, x, mu, theta, eps, of_theta)
        found: Array = getattr(nb, name)()
        return jnp.broadcast_to(found, at.shape)

    mu, theta, _ = at.parameters
    return computed_first(quantity, at.x, mu, theta, at.eps, at.thetas[0])


def _first_ordinary(at: Arguments, outputs: tuple[int, ...]) -> list[Array]:
    pi = at.parameters[2]
    nb = _negative_binomial(at)
    value = _beforehand(at, "value" if VALUE in outputs else "value_at_zero")
    zeros = _Zeros(at.x == 0, value, pi)

    def output(place: int) -> Array:
        if place == VALUE:
            return zeros.value(value)
        return zeros.d_pi() if place == _PI else zeros.weights.times_two(nb.first(place))

    return [output(place) for place in outputs]


def _product_ordinary(at: Arguments, rows: tuple[int, ...], directions: Directions) -> list[Array]:
    nb = _negative_binomial(at, _beforehand(at, "phi_c"))
    zeros = _Zeros(at.x == 0, nb.value_at_zero(), at.parameters[2])
    w = zeros.weights
    of_nb = {place: v for place, v in directions.items() if place != _PI}
    # what they are multiplied by is 0 for x > 0
    gradient = {0: nb.first(0), 1: nb.first(1), 2: nb.d_theta_at_zero()}
    along = dot(gradient, of_nb)
    along_pi = directions.get(_PI)
    e = w.one * (along if along_pi is None else along - along_pi)

    def row_of(place: int) -> Array:
        if place == _PI:
            row = -w.both * along
            return row if along_pi is None else row + zeros.d_pi_d_pi() * along_pi
        own = dot({other: nb.second(place, other) for other in of_nb}, of_nb)
        return w.times_two(own + gradient[place] * e)

    return [row_of(place) for place in rows]


# -- everywhere -----------------------------------------------------------------------------------


def _difference(x: Array, nb: Array) -> tuple[Array, Array]:
    """The log-probability of x under the point mass, and that less `nb`.

    The former is 0 at x = 0 and -inf elsewhere, so that the difference is exact. Where neither
    explains the count it is 0.
    """
    unexplained = ~(x >= 0) | jnp.isnan(nb)
    point_mass = jnp.where(x == 0, 0.0, jnp.where(unexplained, nb, -jnp.inf))
    return point_mass, jnp.where(x == 0, -nb, jnp.where(unexplained, 0.0, -jnp.inf))


def _first_everywhere(at: Arguments, outputs: tuple[int, ...]) -> list[Array]:
    nb = _negative_binomial(at)
    then, (value,) = at.after(nb.value()) if len(outputs) > 1 else (at, (nb.value(),))
    nb, pi = nb if then is at else _negative_binomial(then), then.parameters[2]
    point_mass, difference = _difference(then.x, value)
    _, weight = weight_factors(difference, pi)

    def output(place: int) -> Array:
        if place == VALUE:
            return log_two_components(point_mass, value, difference, pi)
        return d_log_odds(difference, pi) if place == _PI else weight.times(nb.first(place))

    return [output(place) for place in outputs]


def _product_everywhere(
    at: Arguments, rows: tuple[int, ...], directions: Directions
) -> list[Array]:
    nb, pi = _negative_binomial(at), at.parameters[2]
    _, difference = _difference(at.x, nb.value())
    of_nb = {place: v for place, v in directions.items() if place != _PI}
    places = {place for place in (*rows, *of_nb) if place != _PI}
    component = Component(
        {place: nb.first(place) for place in places},
        {
            row: jnp.asarray(dot({other: nb.second(row, other) for other in of_nb}, of_nb))
            for row in rows
            if row != _PI
        },
    )
    d_pi = d_log_odds(difference, pi)
    components = (Component({}, {}), component)
    return hessian_product(difference, d_pi, pi, components, rows, directions, place_of_q=_PI)


ZERO_INFLATED: Final = Likelihood(
    "zero-inflated", (1,), (0,), _ordinary, _first, _product, fits=True
)
