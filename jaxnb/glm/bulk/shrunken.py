"""Modes of the coefficients of samples under a Cauchy prior of one contrast, in one program.

What `jaxnb.glm.fold_changes` derives: each step maximizes the quadratic function that the expected
information I makes of the log-likelihood, with the prior replaced by the normal of precision
ω = 2 / (S² + δ²), and is quartered where the posterior falls. Its matrix is M = I + ω v vᵀ; near
a mode the curvature of the prior itself, ω - (ω δ)², takes the place of ω.
"""

from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnb._types import Array
from jaxnb.glm.bulk.programs import Entry, Genes, likelihood_at, means_at
from jaxnb.glm.bulk.systems import largest, solve, summed

__all__ = ["LEAST_BEND", "NEAR", "NO_GAIN", "modes_at", "poisson_step"]

Floats: TypeAlias = NDArray[np.float64]

_TOLERANCE, _ROUNDING = 1e-8, 1e-13
# Steps shorter than `NEAR` are those of Newton's method, at most 1 / `LEAST_BEND` times as long.
NEAR, LEAST_BEND = 0.1, 0.1
# Of steps that add less, only the contrast counts.
NO_GAIN = 1e-12


def poisson_step(counts: Floats, weights: Floats, exposures: Floats, design: Floats) -> Floats:
    """One step of Poisson regression from between the counts and their mean, as GLMs start.

    Args:
        counts: ``(genes, rows)``.
        weights: ``(genes, rows)``.
        exposures: exponentials of the offsets, ``(genes or 1, rows)``.
        design: ``(rows, p)``.

    Returns:
        Coefficients that are finite also where counts separate, ``(genes, p)``.
    """
    units = (weights * exposures).sum(axis=1, keepdims=True)
    overall = (weights * counts).sum(axis=1, keepdims=True) / np.maximum(units, 1e-300)
    expected = np.maximum(0.5 * (counts + exposures * overall), 1e-300)
    response = np.log(expected / exposures) + (counts - expected) / expected
    current = weights * expected
    gram = np.einsum("gr,ra,rb->gab", current, design, design, optimize=True)
    ridge = 1e-10 * np.trace(gram, axis1=1, axis2=2)[:, None, None]
    gram += np.maximum(ridge, 1e-300) * np.eye(design.shape[1])
    found: Floats = np.linalg.solve(gram, ((current * response) @ design)[:, :, None])[:, :, 0]
    return found


class _Search(NamedTuple):
    """Where the search is; entries of every gene."""

    beta: Entry
    best: Entry
    step: Entry
    distance: Entry
    length: Entry
    going: Entry
    rounds: Entry


@jax.jit
def modes_at(
    genes: Genes, start: Array, alpha: Array, vector: Array, scale: Array, rounds: Array
) -> tuple[Array, Array]:
    """Coefficients at the modes that the search comes to, ``(p, genes)``, and whether it ended.

    Args:
        genes: of a design whose columns have a mean square of 1.
        start: coefficients to start from, ``(p, genes)``.
        alpha: dispersions, ``(genes,)``.
        vector: the contrast, ``(p,)``.
        scale: S.
        rounds: evaluations at most.
    """
    first, second = np.tril_indices(len(start))
    products, unit = (vector[first] * vector[second])[:, None], vector[:, None]

    def more(state: _Search) -> Array:
        found: Array = jnp.any(state.going) & (state.rounds < rounds)
        return found

    def search(state: _Search) -> _Search:
        trial = state.beta + state.length * state.step
        means = means_at(trial, alpha, genes)
        here = likelihood_at(means, genes)
        delta = vector @ trial
        value = here.value - jnp.log1p((delta / scale) ** 2)
        weight = 2 / (scale**2 + delta**2)
        rest = genes.weights * (genes.counts - means.mu) * means.q
        score = genes.design.T @ rest - weight * delta * vector[:, None]
        information = genes.products.T @ (genes.weights * means.mu * means.q)
        ahead = solve(information + weight * products, score, 0.0)
        along = solve(information + weight * products, jnp.broadcast_to(unit, ahead.shape), 0.0)
        variance = vector @ along
        bend = 1 - variance * (delta * weight) ** 2
        bend = jnp.where(largest(ahead) < NEAR, jnp.maximum(bend, LEAST_BEND), 1.0)
        ahead = ahead + (1 / bend - 1) * (vector @ ahead) / variance * along
        # Without counts in some rows other coefficients have no end.
        flat = summed(score * ahead) < NO_GAIN
        distance = jnp.where(flat, jnp.abs(vector @ ahead), largest(ahead))
        rises = (value >= state.best - _ROUNDING * here.magnitude) & state.going
        distance = jnp.where(rises, distance, state.distance)
        shorter = jnp.where(state.going, state.length / 4, state.length)
        length = jnp.where(rises, 1.0, shorter)
        return _Search(
            jnp.where(rises, trial, state.beta),
            jnp.where(rises, value, state.best),
            jnp.where(rises, ahead, state.step),
            distance,
            length,
            state.going & (distance * length >= _TOLERANCE),
            state.rounds + 1,
        )

    count = genes.counts.shape[1]
    state = _Search(
        start,
        jnp.full(count, -jnp.inf),
        jnp.zeros_like(start),
        jnp.zeros(count),
        jnp.ones(count),
        jnp.ones(count, bool),
        jnp.zeros((), jnp.int32),
    )
    state = jax.lax.while_loop(more, search, state)
    last = jnp.where(state.going, 0.0, state.length)
    modes: Array = state.beta + last * state.step
    return modes, ~state.going
