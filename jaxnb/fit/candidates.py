"""Candidates for the maximum of a block of columns, and the choice between two of them."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Self, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnb._types import Array
from jaxnb.fit.columns import Block
from jaxnb.fit.law import boundary_scores, log_likelihood, log_likelihood_terms
from jaxnb.fit.newton import NewtonResult, maximise

__all__ = [
    "Bools",
    "Candidate",
    "Floats",
    "best_start",
    "better",
    "climb",
    "poisson",
    "scores",
    "total_log_likelihood",
]

Floats: TypeAlias = NDArray[np.floating[Any]]
Bools: TypeAlias = NDArray[np.bool_]


class Candidate(NamedTuple):
    """One point of the parameter space for every column of a block.

    Attributes:
        point: (log overall mean, log theta, zi_logits), infinite where on a boundary, as
            `jaxnb.fit.law.natural_parameters` takes it; shape ``(width, 3)``.
        log_likelihood: float64, ``(width,)``.
        information: minus the Hessian, ``(width, 3, 3)``.
        n_iter: Newton steps, ``(width,)``.
        converged: the point is a local maximum over its finite coordinates, ``(width,)``.
    """

    point: Floats
    log_likelihood: NDArray[np.float64]
    information: Floats
    n_iter: NDArray[np.int32]
    converged: Bools

    def where(self, condition: Bools, other: Self) -> Self:
        """This candidate in the columns that meet the condition, the other elsewhere."""

        def pick(mine: NDArray[Any], theirs: NDArray[Any]) -> NDArray[Any]:
            return np.where(condition.reshape(-1, *[1] * (mine.ndim - 1)), mine, theirs)

        chosen: Self = jax.tree.map(pick, self, other)
        return chosen


def poisson(block: Block) -> Candidate:
    """The Poisson law, whose maximum is known: mean = Σx / Σ(size factors)."""
    x = np.asarray(block.x, np.float64)
    totals, exposure = x.sum(axis=1), np.asarray(block.size_factors, np.float64).sum()
    point = np.full((len(x), 3), np.inf)
    # Columns of zeros get some finite point: they are recognised and overwritten at the end.
    point[:, 0] = np.log(np.maximum(totals, 0.5) / exposure)
    point[:, 2] = -np.inf
    information = np.zeros((len(x), 3, 3))
    information[:, 0, 0] = totals
    return Candidate(
        point.astype(block.x.dtype),
        total_log_likelihood(point, block),
        information.astype(block.x.dtype),
        np.zeros(len(x), np.int32),
        np.ones(len(x), bool),
    )


def best_start(starts: Sequence[Floats], block: Block) -> tuple[Floats, NDArray[np.float64]]:
    """The likeliest of several starts, for each column, and its log-likelihood."""
    values = np.stack([total_log_likelihood(start, block) for start in starts])
    best = np.argmax(np.where(np.isnan(values), -np.inf, values), axis=0)
    columns = np.arange(best.size)
    return np.stack(starts)[best, columns], values[best, columns]


def climb(start: Floats, active: Bools, block: Block, *, max_iter: int) -> Candidate:
    """The local maximum reached from a start; inactive columns stay there, not converged."""
    end = _climb(
        jnp.asarray(start, block.x.dtype),
        jnp.asarray(active),
        block.x,
        block.size_factors,
        max_iter,
    )
    point = np.asarray(end.point)
    return Candidate(
        point,
        total_log_likelihood(point, block),
        -np.asarray(end.hessian),
        np.asarray(end.n_iter),
        np.asarray(end.converged),
    )


def better(simple: Candidate, simple_rises: Bools, rich: Candidate) -> Bools:
    """Where the richer of two laws has the maximum.

    Where the simpler law is no local maximum of the richer, because the likelihood rises from it
    (`simple_rises`), any maximum of the richer that is not clearly lower will do; elsewhere it
    must be higher by more than rounding, for the two are then different local maxima.
    """
    noise = 2 * np.finfo(simple.point.dtype).eps * np.abs(simple.log_likelihood)
    gain = rich.log_likelihood - simple.log_likelihood
    return rich.converged & (gain > np.where(simple_rises, -noise, noise))


def total_log_likelihood(point: Floats, block: Block) -> NDArray[np.float64]:
    """The log-likelihood of every column, its terms added in float64."""
    terms = _terms(jnp.asarray(point, block.x.dtype), block.x, block.size_factors)
    total: NDArray[np.float64] = np.sum(np.asarray(terms), axis=1, dtype=np.float64)
    return total


def scores(point: Floats, block: Block) -> tuple[Floats, Floats]:
    """Derivatives from the Poisson and from the no-inflation boundary (`boundary_scores`)."""
    both = _scores(jnp.asarray(point, block.x.dtype), block.x, block.size_factors)
    towards_dispersion, towards_inflation = np.asarray(both).T
    return towards_dispersion, towards_inflation


@jax.jit
@partial(jax.vmap, in_axes=(0, 0, 0, None, None))
def _climb(
    start: Array, active: Array, x: Array, size_factors: Array, max_iter: int
) -> NewtonResult:
    tolerance = 1e-10 if x.dtype == jnp.float64 else 1e-5
    return maximise(
        lambda point: log_likelihood(point, x, size_factors),
        start,
        active,
        tolerance=tolerance,
        max_iter=max_iter,
    )


_terms = jax.jit(jax.vmap(log_likelihood_terms, in_axes=(0, 0, None)))
_scores = jax.jit(jax.vmap(boundary_scores, in_axes=(0, 0, None)))
