"""The smallest count at which a distribution function reaches a level.

The search keeps a bracket lo < count <= hi, the level not reached at lo and reached at hi, and
evaluates one count a step, until nothing lies between. So it ends, by the rounding errors of the
distribution function as they are, with F(count) >= q > F(count - 1) in the arithmetic of the
program itself. The next count is the one to which a discrete Newton step on the logarithm of the
smaller tail points; every sixth step halves the bracket instead, on a logarithmic scale, so that
the number of steps is bounded whatever the distribution.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnb._types import Array
from jaxnb.cdf.tails import Tails

__all__ = ["HIGHEST", "Level", "level", "log_level", "smallest_count"]

HIGHEST: Final = 2.0**60  # no larger count is looked for
_MOST_STEPS: Final = 200  # five are usual; six times the 30 halvings of the largest bracket suffice
_HALVE_EVERY: Final = 6
_DOUBT: Final = 16
_FRACTION: Final = 8
_FEW: Final = 16  # below this an array of their own saves nothing


class Level(NamedTuple):
    """What is to be reached.

    Attributes:
        value: A probability or its logarithm.
        upper: Whether it is that of the upper tail.
        logarithm: Whether it is a logarithm.
        log_lower: The logarithm of the lower tail's probability, -inf to 0.
        log_upper: That of the upper tail's.
    """

    value: Array
    upper: bool
    logarithm: bool
    log_lower: Array
    log_upper: Array

    def map(self, function: Callable[[Array], Array]) -> "Level":
        """The level with the function applied to its arrays."""
        arrays = map(function, (self.value, self.log_lower, self.log_upper))
        return Level(next(arrays), self.upper, self.logarithm, *arrays)

    @property
    def inside(self) -> Array:
        """Whether it is a probability, and neither 0 nor 1."""
        lowest, highest = (-jnp.inf, 0.0) if self.logarithm else (0.0, 1.0)
        return (self.value > lowest) & (self.value < highest)

    def reached(self, t: Tails) -> Array:
        """Whether a count with these tails reaches it."""
        own = t.log_sf if self.upper else t.log_cdf
        own = own if self.logarithm else jnp.exp(own)
        return own <= self.value if self.upper else own >= self.value


def level(probability: Array, upper: bool) -> Level:
    """The level of a probability."""
    small = jnp.clip(probability, 0.0, 1.0)
    logs = jnp.log(small), jnp.log1p(-small)
    return Level(probability, upper, False, *(reversed(logs) if upper else logs))


def log_level(log_probability: Array, upper: bool) -> Level:
    """The level of a log-probability."""
    tiny = float(np.finfo(log_probability.dtype).tiny)
    log_p = jnp.clip(log_probability, -float(np.finfo(log_probability.dtype).max), -tiny)
    near = log_p > -0.5
    other = jnp.where(
        near, jnp.log(-jnp.expm1(jnp.where(near, log_p, -1.0))), jnp.log1p(-jnp.exp(log_p))
    )
    logs = log_p, other
    return Level(log_probability, upper, True, *(reversed(logs) if upper else logs))


class _State(NamedTuple):
    """The search so far: the number of steps, the brackets, and the counts to try next."""

    step: Array
    lo: Array
    hi: Array
    x: Array

    @property
    def unfinished(self) -> Array:
        """Whether a count lies within the bracket."""
        return _after(self.lo) < jnp.minimum(self.hi, 2 * HIGHEST)


def smallest_count(
    tails: Callable[..., Tails],
    log_probability: Callable[..., Array],
    target: Level,
    start: Array,
    parameters: Sequence[Array],
) -> Array:
    """The smallest whole x >= 0 with `target.reached(tails(x))`; infinity beyond `HIGHEST`.

    Two steps are enough for nine in ten. The others go on in an array of their own, an eighth of
    the size.

    Args:
        tails: Both logarithms, of (x, *parameters).
        log_probability: That of single counts, likewise; it only guides the search.
        target: The level, of the full shape.
        start: The first count to try, of the full shape. Nothing is searched for where it is NaN
            or the level is an end of the probabilities or none; the result there is 0.
        parameters: Arrays that broadcast to the full shape.
    """
    first = jnp.clip(jnp.nan_to_num(jnp.ceil(start)), 0.0, HIGHEST)
    searched = target.inside & ~jnp.isnan(start)
    lo, hi = jnp.full_like(first, -1.0), jnp.where(searched, jnp.inf, jnp.zeros_like(first))
    state = _State(jnp.int32(0), lo, hi, first)
    few = first.size // _FRACTION
    if few < _FEW:
        return _search(tails, log_probability, target, state, parameters, 0).hi
    state = _search(tails, log_probability, target, state, parameters, few)
    chosen = jnp.nonzero(state.unfinished.ravel(), size=few, fill_value=0)[0]

    def gathered(array: Array) -> Array:
        return jnp.broadcast_to(array, first.shape).ravel()[chosen]

    rest = _search(
        tails,
        log_probability,
        target.map(gathered),
        _State(state.step, *map(gathered, state[1:])),
        [gathered(parameter) for parameter in parameters],
        0,
    )
    return state.hi.ravel().at[chosen].set(rest.hi).reshape(first.shape)


def _search(
    tails: Callable[..., Tails],
    log_probability: Callable[..., Array],
    target: Level,
    state: _State,
    parameters: Sequence[Array],
    few: int,
) -> _State:
    """Step until no more than a few are unfinished."""

    def go_on(state: _State) -> Array:
        return (state.step < _MOST_STEPS) & (jnp.sum(state.unfinished) > few)

    def improved(state: _State) -> _State:
        step, lo, hi, x = state
        t = tails(x, *parameters)
        reached, active = target.reached(t), state.unfinished
        lo = jnp.where(active & ~reached, x, lo)
        hi = jnp.where(active & reached, x, hi)
        # of the count whose probability lies between F(x) and F at the neighbor towards the level
        log_p = log_probability(jnp.where(reached, x, x + 1), *parameters)
        newton = _newton(target, t, reached, log_p)
        last = active & newton.is_last
        lo = jnp.where(last & reached, jnp.maximum(lo, _before(x)), lo)
        hi = jnp.where(last & ~reached, jnp.minimum(hi, _after(x)), hi)
        return _State(step + 1, lo, hi, _next_count(step, lo, hi, x, reached, newton))

    result: _State = lax.while_loop(go_on, improved, state)
    return result


def _next_count(
    step: Array, lo: Array, hi: Array, x: Array, reached: Array, newton: "_Newton"
) -> Array:
    """Newton's count, or the middle of the bracket, moved inside of it; x if it is closed."""
    down = jnp.minimum(newton.shift - newton.unsure, -1.0)
    up = jnp.maximum(newton.shift + newton.unsure, 1.0)
    guess = x + jnp.where(reached, down, up)
    narrow = hi - lo <= 4 * newton.unsure + 2
    guess = jnp.where(narrow, jnp.floor(lo + (hi - lo) * 0.5), guess)
    halve = (step % _HALVE_EVERY == _HALVE_EVERY - 1) | jnp.isnan(guess)
    guess = jnp.where(halve, _middle(lo, hi, x), guess)
    lowest, highest = _after(lo), _before(jnp.minimum(hi, 2 * HIGHEST))
    inside = jnp.clip(guess, lowest, jnp.maximum(highest, lowest))
    return jnp.where(lowest < jnp.minimum(hi, 2 * HIGHEST), inside, x)


class _Newton(NamedTuple):
    """A discrete Newton step.

    Attributes:
        shift: The counts to the level.
        unsure: How many counts rounding errors cannot tell apart.
        is_last: Whether the level lies between this count and its neighbor, beyond any doubt.
    """

    shift: Array
    unsure: Array
    is_last: Array


def _newton(target: Level, t: Tails, reached: Array, log_p: Array) -> _Newton:
    """The step to the level, given log_p of the count between here and the neighbor towards it."""
    eps = float(np.finfo(log_p.dtype).eps)
    use_upper = target.log_upper < target.log_lower
    own = jnp.where(use_upper, t.log_sf, t.log_cdf)
    share = jnp.exp(jnp.minimum(log_p - own, 0.0))  # of the tail that this count holds
    gain = jnp.log1p(share)
    loss = -jnp.log1p(-jnp.minimum(share, 1 - 1e-6))
    per_count = jnp.where(reached == use_upper, gain, loss)
    per_count = jnp.maximum(per_count, float(np.finfo(log_p.dtype).tiny))
    distance = jnp.where(use_upper, t.log_sf - target.log_upper, target.log_lower - t.log_cdf)
    rounding = 4 * eps * jnp.maximum(1.0, -own)
    if not target.logarithm:
        # the level itself is only as fine as eps times its probability
        log_level = t.log_sf if target.upper else t.log_cdf
        rounding = rounding + eps * jnp.exp(jnp.clip(log_level - own, -80.0, 80.0))
    shift = jnp.ceil(distance / per_count - 1e-3)
    unsure = jnp.floor(rounding / per_count)
    return _Newton(
        jnp.where(jnp.isnan(shift), 0.0, shift),
        jnp.nan_to_num(unsure, posinf=0.0),
        # the distribution function is good to 6 units and monotone to within them; 10 times that
        jnp.abs(distance) + _DOUBT * rounding < per_count,
    )


def _middle(lo: Array, hi: Array, x: Array) -> Array:
    """The geometric middle of the bracket; eightfold where it has no upper end yet."""
    end = jnp.where(hi == jnp.inf, jnp.minimum(8 * (x + 2), 2 * HIGHEST), hi)
    return jnp.floor(jnp.sqrt(lo + 2) * jnp.sqrt(end + 2) - 2)


# By a product, since TPUs have no bit cast of float64, by which `jnp.nextafter` works: with the
# unit u of rounding, x u (1 + 2u) is more than half the distance to the next number and less than
# one and a half of it (Rump, Zimmermann, Boldo and Melquiond 2009).
def _after(x: Array) -> Array:
    """The next larger whole number of the dtype."""
    unit = float(np.finfo(x.dtype).epsneg)
    return jnp.where(x + 1 > x, x + 1, x + x * (unit * (1 + 2 * unit)))


def _before(x: Array) -> Array:
    unit = float(np.finfo(x.dtype).epsneg)
    return jnp.where(x - 1 < x, x - 1, x * (1 - unit))
