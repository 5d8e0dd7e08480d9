"""The smallest count at which a distribution function reaches a level.

The search keeps a bracket lo < count <= hi, the level not reached at lo and reached at hi, and
evaluates one count a step, until nothing lies between. With the tails at x a step has the
probability of x, and from it those of the counts around (`Part`): so the tails at a few counts
around x are known too, but for rounding errors, and where the level is beyond any doubt reached at
one of them and not at another, the bracket closes without evaluating them. Elsewhere it ends, by
the rounding errors of the distribution function as they are, with F(count) >= q > F(count - 1) in
the arithmetic of the program itself.

The next count is the one to which a discrete Newton step on the logarithm of the smaller tail
points; every sixth step halves the bracket instead, on a logarithmic scale, so that the number of
steps is bounded whatever the distribution.

On CPU the elements pass through slots of a sixteenth of their number: one that is finished gives
its slot to the next. So no step is spent on what is finished, and the program has one copy of the
distribution function. Elsewhere, and for few elements, every step is for all of them.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnb._materialize import materialize
from jaxnb._types import Array
from jaxnb.cdf.levels import Level, LevelKind
from jaxnb.cdf.tails import Part, Tails

__all__ = ["HIGHEST", "Around", "Question", "smallest_count"]

HIGHEST: Final = 2.0**60  # no larger count is looked for
_HALVE_EVERY: Final = 6
# Two steps are usual; six times the 30 halvings of the largest bracket suffice.
_MOST_STEPS: Final = 200
# The distribution function is good to 6 units and monotone to within them; 10 times that.
_DOUBT: Final = 16
_WINDOW: Final = 3  # counts to either side whose tails a step knows
_SLOTS: Final = 16  # the part of the elements that is worked on at a time
_SMALL: Final = 4096  # up to this size slots cost more than they save

Around = Callable[[Array, Any], tuple[Tails, Sequence[Part]]]
"""Of counts and what is fixed of each element: both tails, and the probabilities around."""


class _Search(NamedTuple):
    """Searches, each an element of arrays of one shape.

    Attributes:
        age: How many steps each has taken.
        lo: A count that does not reach the level.
        hi: One that does.
        x: The count to try next.
        value: The level, as in `Level`.
        log_lower: The same.
        log_upper: The same.
    """

    age: Array
    lo: Array
    hi: Array
    x: Array
    value: Array
    log_lower: Array
    log_upper: Array

    @property
    def unfinished(self) -> Array:
        """Whether a count lies within the bracket."""
        between = _after(self.lo) < jnp.minimum(self.hi, 2 * HIGHEST)
        return between & (self.age < _MOST_STEPS)


class Question(NamedTuple):
    """What is searched for.

    Attributes:
        target: The level.
        start: The first count to try.
        searched: Whether there is anything to search for; the result elsewhere is the lowest count.
        fixed: What `Around` needs, a tree of arrays.
    """

    target: Level
    start: Array
    searched: Array
    fixed: Any


def smallest_count(
    around: Around,
    asked: Callable[..., Question],
    lowest: int,
    arguments: Sequence[Array],
    *,
    kind: LevelKind,
    in_slots: bool,
) -> Array:
    """The smallest whole x >= `lowest` with `target.reached(tails(x))`; infinity beyond `HIGHEST`.

    Args:
        around: Both tails, and the probabilities around.
        asked: The question, element by element, of the arguments.
        lowest: The smallest count of the distribution.
        arguments: Arrays of one rank, first the numbers by which the levels are given.
        kind: How they are given.
        in_slots: Whether the elements may pass through slots.
    """
    shape = jnp.broadcast_shapes(*(a.shape for a in arguments))

    def begin(*arguments: Array) -> tuple[_Search, Any]:
        target, start, searched, fixed = asked(*arguments)
        x = jnp.clip(jnp.nan_to_num(jnp.ceil(start)), float(lowest), HIGHEST)
        lo, hi = (
            jnp.full_like(x, lowest - 1),
            jnp.where(searched, jnp.inf, jnp.full_like(x, lowest)),
        )
        age = jnp.zeros(x.shape, jnp.int32)
        return _Search(age, lo, hi, x, target.value, target.log_lower, target.log_upper), fixed

    def step(search: _Search, fixed: Any) -> _Search:
        target = Level(search.value, kind, search.log_lower, search.log_upper)
        return _improved(around, target, lowest, search, fixed)

    def whole(*arguments: Array) -> Array:
        levels = [jnp.broadcast_to(number, shape) for number in arguments[: kind.numbers]]
        return _whole(step, *begin(*levels, *arguments[kind.numbers :]))

    def slots(*arguments: Array) -> Array:
        everyone = [jnp.broadcast_to(a, shape).ravel() for a in arguments]
        return _in_slots(step, begin, everyone).reshape(shape)

    # a size may be symbolic
    if not in_slots or not all(isinstance(n, int) for n in shape) or prod(shape) <= _SMALL:
        return whole(*arguments)
    result: Array = lax.platform_dependent(*arguments, cpu=slots, default=whole)
    return result


_Step = Callable[[_Search, Any], _Search]


def _whole(step: _Step, search: _Search, fixed: Any) -> Array:
    """Step for all elements until none is unfinished."""
    found = lax.while_loop(
        lambda search: jnp.any(search.unfinished), lambda search: step(search, fixed), search
    )
    return found.hi


class _Slots(NamedTuple):
    """How many elements have had a slot, whose each slot is, and the search in it."""

    taken: Array
    element: Array
    search: _Search
    fixed: Any


def _in_slots(
    step: _Step, begin: Callable[..., tuple[_Search, Any]], everyone: Sequence[Array]
) -> Array:
    """Step for some elements at a time, until all have been and none is unfinished.

    Args:
        step: A step of searches.
        begin: The searches for arguments.
        everyone: The arguments, flat.
    """
    number = everyone[0].size
    size = number // _SLOTS

    def go_on(state: tuple[_Slots, Array]) -> Array:
        slots, _ = state
        return (slots.taken < number) | jnp.any(slots.search.unfinished)

    def improved(state: tuple[_Slots, Array]) -> tuple[_Slots, Array]:
        (taken, element, *known), counts = state
        free = ~known[0].unfinished
        rank = taken + jnp.cumsum(free.astype(jnp.int32))
        element = jnp.where(free, jnp.minimum(rank - 1, number), element)
        at = jnp.minimum(element, number - 1)
        free = free & (element < number)
        # here and not where they are used: XLA would look them up again in each of the kernels
        own = materialize(*(argument[at] for argument in everyone))
        known = jax.tree.map(lambda new, old: jnp.where(free, new, old), begin(*own), tuple(known))
        leaves, structure = jax.tree.flatten(known)
        search, fixed = jax.tree.unflatten(structure, materialize(*leaves))
        search = step(search, fixed)
        found = jnp.where(search.unfinished, number, element)
        counts = counts.at[found].set(search.hi, mode="drop")
        return _Slots(jnp.minimum(rank[-1], number), element, search, fixed), counts

    nobody = begin(*(argument[:size] for argument in everyone))
    nobody = jax.tree.map(jnp.zeros_like, nobody)  # of which the bracket is closed
    slots = _Slots(jnp.int32(0), jnp.full(size, number, jnp.int32), *nobody)
    counts: Array = lax.while_loop(go_on, improved, (slots, jnp.zeros_like(everyone[0])))[1]
    return counts


def _improved(around: Around, target: Level, lowest: int, search: _Search, fixed: Any) -> _Search:
    """The searches one step further."""
    lo, hi, x = search.lo, search.hi, search.x
    t, parts = around(x, fixed)
    reached, active = target.reached(t), search.unfinished
    newton = _newton(target, t, reached, x, parts)
    below, above = jnp.where(reached, lo, x), jnp.where(reached, x, hi)
    for shift, reaches in newton.certain.items():
        below = jnp.where(reaches < 0, jnp.maximum(below, x + shift), below)
        here = (reaches > 0) & (x + shift >= lowest)
        above = jnp.where(here, jnp.minimum(above, x + shift), above)
    lo = jnp.where(active, jnp.maximum(lo, below), lo)
    hi = jnp.where(active, jnp.minimum(hi, above), hi)
    halve = search.age % _HALVE_EVERY == _HALVE_EVERY - 1
    x = _next_count(lo, hi, x, reached, newton, halve)
    return search._replace(age=search.age + 1, lo=lo, hi=hi, x=x)


def _next_count(
    lo: Array, hi: Array, x: Array, reached: Array, newton: "_Newton", halve: Array
) -> Array:
    """Newton's count, or the middle of the bracket, moved inside of it; x if it is closed."""
    down = jnp.minimum(newton.shift - newton.unsure, -1.0)
    up = jnp.maximum(newton.shift + newton.unsure, 1.0)
    guess = x + jnp.where(reached, down, up)
    narrow = hi - lo <= 4 * newton.unsure + 2
    guess = jnp.where(narrow, jnp.floor(lo + (hi - lo) * 0.5), guess)
    halve = halve | jnp.isnan(guess)
    guess = jnp.where(halve, _middle(lo, hi, x), guess)
    lowest, highest = _after(lo), _before(jnp.minimum(hi, 2 * HIGHEST))
    inside = jnp.clip(guess, lowest, jnp.maximum(highest, lowest))
    return jnp.where(lowest < jnp.minimum(hi, 2 * HIGHEST), inside, x)


class _Newton(NamedTuple):
    """What a step knows of the counts around x.

    Attributes:
        shift: The counts to the level.
        unsure: How many counts rounding errors cannot tell apart.
        certain: For some shifts, positive where x + shift reaches the level beyond any doubt,
            negative where it does not.
    """

    shift: Array
    unsure: Array
    certain: dict[int, Array]


def _newton(target: Level, t: Tails, reached: Array, x: Array, parts: Sequence[Part]) -> _Newton:
    eps = float(np.finfo(x.dtype).eps)
    use_upper = target.log_upper < target.log_lower
    own = jnp.where(use_upper, t.log_sf, t.log_cdf)
    log_ratio = jnp.where(use_upper, target.log_upper, target.log_lower) - own
    rounding = 4 * eps * jnp.maximum(1.0, -own)
    if not target.kind.logarithm:
        # the level itself is only as fine as eps times its probability
        log_level = t.log_sf if target.kind.upper else t.log_cdf
        rounding = rounding + eps * jnp.exp(jnp.clip(log_level - own, -80.0, 80.0))

    # tails, as parts of the one at x; further counts up add to the lower one
    sign = jnp.where(use_upper, -1.0, 1.0)
    level, gained = jnp.exp(jnp.clip(log_ratio, -80.0, 80.0)), _probabilities_around(x, own, parts)
    # where x and its neighbors are numbers of the dtype, and their probabilities known
    exact = (x < 0.25 / eps) & (jnp.abs(log_ratio) < 60.0) & bool(parts)
    certain = {}
    for shift, gain in gained.items():
        tail = 1 + sign * gain
        doubt = _DOUBT * rounding * jnp.maximum(jnp.maximum(tail, level), 1.0)
        beyond = sign * (tail - level)
        certain[shift] = jnp.where(exact & (jnp.abs(beyond) > doubt), jnp.sign(beyond), 0.0)

    one = jnp.where(reached, -gained[-1], gained[1])
    per_count = jnp.where(
        reached == use_upper, jnp.log1p(one), -jnp.log1p(-jnp.minimum(one, 1 - 1e-6))
    )
    per_count = jnp.maximum(per_count, float(np.finfo(x.dtype).tiny))
    to_level = jnp.ceil(sign * log_ratio / per_count - 1e-3)
    unsure = jnp.floor(rounding / per_count)
    return _Newton(
        jnp.where(jnp.isnan(to_level), 0.0, to_level), jnp.nan_to_num(unsure, posinf=0.0), certain
    )


def _probabilities_around(x: Array, own: Array, parts: Sequence[Part]) -> dict[int, Array]:
    """F(x + shift) - F(x) over exp(own) for some shifts, from the ratios of probabilities."""
    nothing = jnp.zeros_like(x)
    gained = {shift: nothing for shift in range(-_WINDOW, _WINDOW + 1) if shift}
    for part in parts:
        at_x = jnp.exp(jnp.minimum(part.log_probability - own, 80.0))
        term, total = at_x, nothing
        for shift in range(1, _WINDOW + 1):
            y = x + (shift - 1)
            term = term * ((y * part.q + part.theta_q) / (y + 1))
            total = total + term
            gained[shift] = gained[shift] + total
        term, total = at_x, at_x
        gained[-1] = gained[-1] - total
        for shift in range(2, _WINDOW + 1):
            y = x - (shift - 1)  # from y + 1 to y
            term = term * ((y + 1) / (y * part.q + part.theta_q))
            total = total + term
            gained[-shift] = gained[-shift] - total
    return gained


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
