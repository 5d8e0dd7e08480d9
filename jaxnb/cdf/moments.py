"""What means, variances and modes are computed with.

Means and variances are written once for arrays and for tensors. `xp` is the library that they are
computed in: `ARRAYS` for jax.numpy, or any module with the same functions, such as torch.
Modes are for arrays only, since they have no derivative.
"""

from collections.abc import Callable
from types import SimpleNamespace

import jax
import jax.numpy as jnp
from jax import lax

from jaxnb._types import Array

__all__ = ["ARRAYS", "mode_between", "zero_or"]


@jax.custom_jvp
def _sigmoid(q: Array) -> Array:
    return jax.nn.sigmoid(q)


@_sigmoid.defjvp
def _sigmoid_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """Of jax.nn.sigmoid, s (1 - s) has no digits where s rounds to 1."""
    (q,) = primals
    return _sigmoid(q), _sigmoid(q) * _sigmoid(-q) * tangents[0]


ARRAYS = SimpleNamespace(
    where=jnp.where,
    floor=jnp.floor,
    isnan=jnp.isnan,
    sigmoid=_sigmoid,
    log=jnp.log,
    log1p=jnp.log1p,
    exp=jnp.exp,
    expm1=jnp.expm1,
)


def zero_or(log_prob: Callable[[Array], Array], candidate: Array) -> Array:
    """The candidate or 0, whichever is more probable; 0 if neither."""
    at_zero = log_prob(jnp.zeros_like(candidate))
    return jnp.where(log_prob(candidate) > at_zero, candidate, candidate * 0)


# 16 intervals a round, of which two are kept: 18 rounds bring 2**53 down to single counts.
_INTERVALS = 16
_ROUNDS = 18


def mode_between(log_prob: Callable[[Array], Array], low: Array, high: Array) -> Array:
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
