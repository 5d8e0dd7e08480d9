"""Newton's method for a maximum, safe where the function is not concave."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array

__all__ = ["NewtonResult", "maximize"]

_FIRST_RADIUS = 2.0
_LARGEST_RADIUS = 8.0
_STALLED_RADIUS = 1e-6


class Evaluation(Protocol):
    """A value, the sum of the absolute values of its terms, and two derivatives."""

    @property
    def value(self) -> Array: ...
    @property
    def scale(self) -> Array: ...
    @property
    def gradient(self) -> Array: ...
    @property
    def hessian(self) -> Array: ...


class NewtonResult(NamedTuple):
    """Where the climb ended.

    Attributes:
        point: the last accepted point, shape ``(k,)``.
        value: there.
        scale: there.
        hessian: there, shape ``(k, k)``; zero in the coordinates that do not move.
        n_iter: steps tried.
        converged: the last step promised a gain below the tolerance and left from a point where
            the function is concave in its free coordinates.
    """

    point: Any
    value: Any
    scale: Any
    hessian: Any
    n_iter: Any
    converged: Any


class _Step(NamedTuple):
    """A step, the gain it promises when not cut short, and whether it is Newton's own."""

    move: Array
    gain: Array
    concave: Array


class _State(NamedTuple):
    point: Array
    value: Array
    scale: Array
    gradient: Array
    hessian: Array
    radius: Array
    step: _Step
    n_iter: Array
    converged: Array


def maximize(
    function: Callable[[Array], Evaluation],
    start: Array,
    *,
    tolerance: float,
    max_iter: int | Array,
) -> NewtonResult:
    """Climb to a local maximum by Newton steps along the principal axes of the Hessian.

    Along an axis on which the function is convex, the step is the Newton step with the sign of the
    curvature turned round: uphill everywhere and the Newton step itself near a maximum. No
    coordinate moves by more than a radius, which doubles after a success and falls after a failure.

    Args:
        function: of one array of shape ``(k,)``, with its derivatives.
        start: where to begin, shape ``(k,)``. Infinite coordinates stay.
        tolerance: gain, in units of the function, below which the step that promises it is the
            last one. It is still taken, and Newton's steps square the error: with a
            log-likelihood and 1e-10, the maximum is met to about 1e-10 standard errors.
        max_iter: steps to try before giving up.

    Returns:
        The end of the climb as a `NewtonResult`.

    References:
        Y. Dauphin et al. (2014), *Identifying and attacking the saddle point problem in
        high-dimensional non-convex optimization*, NeurIPS 27, section 6.
    """
    free = jnp.isfinite(start)
    limit = jnp.asarray(max_iter, jnp.int32)

    def going(state: _State) -> Array:
        unfinished = ~state.converged & (state.radius > _STALLED_RADIUS)
        return unfinished & (state.n_iter <= limit)

    def advance(state: _State) -> _State:
        trial = state.point + state.step.move
        new = function(trial)
        final = state.step.concave & (state.step.gain < tolerance)
        # A gain below the rounding of the terms cannot be told from a loss. The total is no
        # measure of that: the terms may cancel.
        slack = 8 * _eps(new.value) * new.scale
        accepted = jnp.isfinite(new.value) & (final | (new.value >= state.value - slack))
        accepted &= jnp.all(jnp.isfinite(new.hessian))
        values = (trial, new.value, new.scale, new.gradient, new.hessian)
        shorter = jnp.max(jnp.abs(state.step.move)) / 4
        point, value, scale, gradient, hessian, radius = jax.tree.map(
            lambda new, old: jnp.where(accepted, new, old),
            (*values, jnp.minimum(2 * state.radius, _LARGEST_RADIUS)),
            (*state[:5], shorter),
        )
        step = _ascent_step(gradient, hessian, free, radius)
        done = final & accepted
        return _State(point, value, scale, gradient, hessian, radius, step, state.n_iter + 1, done)

    last = jax.lax.while_loop(going, advance, _before_the_first_step(start))
    # The first pass only evaluates the start.
    n_iter = jnp.maximum(last.n_iter - 1, 0)
    return NewtonResult(last.point, last.value, last.scale, last.hessian, n_iter, last.converged)


def _before_the_first_step(start: Array) -> _State:
    """A state that accepts the start, so that the function is compiled in one place only."""
    zeros = jnp.zeros_like(start)
    scalar = zeros[0]
    no_step = _Step(zeros, scalar + jnp.inf, jnp.zeros((), bool))
    return _State(
        point=start,
        value=scalar - jnp.inf,
        scale=scalar,
        gradient=zeros,
        hessian=jnp.zeros((start.size, start.size), start.dtype),
        radius=scalar + _FIRST_RADIUS / 2,
        step=no_step,
        n_iter=jnp.zeros((), jnp.int32),
        converged=jnp.zeros((), bool),
    )


def _eps(values: Array) -> float:
    return float(np.finfo(values.dtype).eps)


def _ascent_step(gradient: Array, hessian: Array, free: Array, radius: Array) -> _Step:
    # Curvature −1 in the coordinates that do not move, whose derivatives are all zero.
    fixed = -jnp.eye(free.size, dtype=hessian.dtype)
    curvature, axes = jnp.linalg.eigh(jnp.where(free[:, None] & free, hessian, fixed))
    magnitude = jnp.abs(curvature)
    largest = jnp.max(magnitude)
    floor = jnp.where(largest > 0, _eps(magnitude) * largest, 1)
    magnitude = jnp.maximum(magnitude, floor)
    move = axes @ ((axes.T @ gradient) / magnitude)
    gain = 0.5 * jnp.sum(gradient * move)
    shortened = move * (radius / jnp.maximum(jnp.max(jnp.abs(move)), radius))
    return _Step(shortened, gain, jnp.all(curvature < 0))
