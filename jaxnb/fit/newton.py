"""Newton's method for a maximum, safe where the function is not concave."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array

__all__ = ["NewtonResult", "maximise"]

_FIRST_RADIUS = 2.0
_LARGEST_RADIUS = 8.0
_STALLED_RADIUS = 1e-4


class NewtonResult(NamedTuple):
    """Where the climb ended.

    Attributes:
        point: the last accepted point, shape ``(k,)``.
        hessian: there, shape ``(k, k)``; zero in the coordinates that do not move.
        n_iter: steps tried.
        converged: the last step promised a gain below the tolerance and left from a point where
            the function is concave in its free coordinates.
    """

    point: Array
    hessian: Array
    n_iter: Array
    converged: Array


class _Step(NamedTuple):
    """A step, the gain it promises when not cut short, and whether it is Newton's own."""

    move: Array
    gain: Array
    concave: Array


class _State(NamedTuple):
    point: Array
    value: Array
    gradient: Array
    hessian: Array
    radius: Array
    step: _Step
    n_iter: Array
    converged: Array


def maximise(
    function: Callable[[Array], Array],
    start: Array,
    active: Array,
    *,
    tolerance: float,
    max_iter: int,
) -> NewtonResult:
    """Climb from `start` to a local maximum, never downhill by more than rounding.

    A coordinate that starts infinite stays so: `function` must not depend on it. The step is the
    Newton step with the eigenvalues of the Hessian replaced by their absolute values, which is an
    ascent direction wherever it is taken and the Newton step itself near a maximum. No coordinate
    moves by more than a radius, which doubles after a success and falls after a failure.

    Args:
        function: a twice differentiable function of one array of shape ``(k,)``.
        start: where to begin, shape ``(k,)``.
        active: False to return the start as it is, not converged.
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

    def going(state: _State) -> Array:
        unfinished = ~state.converged & (state.radius > _STALLED_RADIUS)
        return active & unfinished & (state.n_iter <= max_iter)

    def advance(state: _State) -> _State:
        trial = state.point + state.step.move
        value, gradient, hessian = _derivatives(function, trial)
        final = state.step.concave & (state.step.gain < tolerance)
        # Rounding of a sum of many terms: below it, a gain cannot be told from a loss.
        slack = 8 * _eps(value) * jnp.abs(value)
        accepted = jnp.isfinite(value) & (final | (value >= state.value - slack))
        point, value, gradient, hessian, radius = jax.tree.map(
            lambda new, old: jnp.where(accepted, new, old),
            (trial, value, gradient, hessian, jnp.minimum(2 * state.radius, _LARGEST_RADIUS)),
            (*state[:4], jnp.max(jnp.abs(state.step.move)) / 4),
        )
        step = _ascent_step(gradient, hessian, free, radius)
        return _State(
            point, value, gradient, hessian, radius, step, state.n_iter + 1, final & accepted
        )

    last = jax.lax.while_loop(going, advance, _before_the_first_step(start))
    # The first pass only evaluates the start.
    return NewtonResult(last.point, last.hessian, jnp.maximum(last.n_iter - 1, 0), last.converged)


def _before_the_first_step(start: Array) -> _State:
    """A state that accepts the start, so that the function is compiled in one place only."""
    zeros = jnp.zeros_like(start)
    scalar = zeros[0]
    no_step = _Step(zeros, scalar + jnp.inf, jnp.zeros((), bool))
    return _State(
        point=start,
        value=scalar - jnp.inf,
        gradient=zeros,
        hessian=jnp.zeros((start.size, start.size), start.dtype),
        radius=scalar + _FIRST_RADIUS / 2,
        step=no_step,
        n_iter=jnp.zeros((), jnp.int32),
        converged=jnp.zeros((), bool),
    )


def _derivatives(function: Callable[[Array], Array], point: Array) -> tuple[Array, Array, Array]:
    """Value, gradient and Hessian in one pass."""
    (value, gradient), pushforward = jax.linearize(jax.value_and_grad(function), point)
    _, hessian = jax.vmap(pushforward)(jnp.eye(point.size, dtype=point.dtype))
    return value, gradient, hessian


def _eps(values: Array) -> float:
    return float(np.finfo(values.dtype).eps)


def _ascent_step(gradient: Array, hessian: Array, free: Array, radius: Array) -> _Step:
    # Curvature −1 in the coordinates that do not move, whose derivatives are all zero.
    fixed = -jnp.eye(free.size, dtype=hessian.dtype)
    curvature, axes = jnp.linalg.eigh(jnp.where(free[:, None] & free, hessian, fixed))
    scale = jnp.abs(curvature)
    largest = jnp.max(scale)
    scale = jnp.maximum(scale, jnp.where(largest > 0, _eps(scale) * largest, 1))
    move = axes @ ((axes.T @ gradient) / scale)
    gain = 0.5 * jnp.sum(gradient * move)
    shortened = move * (radius / jnp.maximum(jnp.max(jnp.abs(move)), radius))
    return _Step(shortened, gain, jnp.all(curvature < 0))
