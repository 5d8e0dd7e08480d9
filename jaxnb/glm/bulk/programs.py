"""Newton's method for the coefficients of many genes with few rows, in two compiled programs.

Arrays are rows x genes. A weight multiplies the log-likelihood of a count, and 0 leaves it out. The
log-likelihood of a gene is, without what does not depend on the coefficients,

    ℓ(β) = Σ w (y (η - log(1 + αμ)) - log(1 + αμ) / α),    μ = exp(η),    η = Xβ + offset,

with the derivatives that `jaxnb.glm.likelihood` derives. As rows are few, neither pseudo-cells
nor exceedances save anything here, and a program takes all its steps without returning.
"""

from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.glm.bulk.systems import determinant_and_form, largest, restricted, solve, summed
from jaxnb.glm.prior import GRID
from jaxnb.special.log1p import log1p

__all__ = [
    "CoefficientsAt",
    "Entry",
    "Genes",
    "Likelihood",
    "Means",
    "ProfileOnGrid",
    "fit_at",
    "least_squares",
    "likelihood_at",
    "means_at",
    "profile",
]

# A JAX array inside the compiled function, a numpy array outside it.
Entry: TypeAlias = Any

_LARGEST_ETA = 100.0
# The profile: precision of a normal prior of the coefficients of orthonormal columns, which keeps
# those finite that separation would make infinite; and the longest step.
_RIDGE = 1e-4
_LONGEST_STEP = 2.0
_FIRST_STEPS = 12
# As in `jaxnb.glm.coefficients`.
_ROUNDING, _MAX_ITER = 1e-14, 100


class Genes(NamedTuple):
    """The data of some genes, and the design.

    Attributes:
        counts: ``(rows, genes)``.
        weights: ``(rows, genes)``.
        offsets: logarithms that are added to the linear predictor, ``(rows, genes or 1)``.
        design: ``(rows, p)``.
        products: packed products of its rows, ``(rows, p (p + 1) / 2)``.
    """

    counts: Entry
    weights: Entry
    offsets: Entry
    design: Entry
    products: Entry


class ProfileOnGrid(NamedTuple):
    """The profile on `GRID`, without the gamma functions, and the prediction of one row.

    Attributes:
        value: log-likelihood with the Cox-Reid adjustment, ``(points, genes)``.
        eta: the linear predictor of the row that is watched.
        variance: that of its linear predictor.
        decrement: half of what the last Newton step was expected to add.
    """

    value: Entry
    eta: Entry
    variance: Entry
    decrement: Entry


class CoefficientsAt(NamedTuple):
    """Coefficients at given dispersions.

    Attributes:
        beta: 0 where they are not free, ``(p, genes)``.
        value: log-likelihood, without what does not depend on them, ``(genes,)``.
        converged: ``(genes,)``.
    """

    beta: Entry
    value: Entry
    converged: Entry


class Means(NamedTuple):
    """The linear predictor η, μ = exp(η), αμ and 1 / (1 + αμ), ``(rows, genes)``."""

    eta: Array
    mu: Array
    t: Array
    q: Array


class Likelihood(NamedTuple):
    """The value at some coefficients, and the sum of its terms' magnitudes."""

    value: Array
    magnitude: Array


class _Step(NamedTuple):
    """A Newton step, and half of what it is expected to add."""

    step: Array
    decrement: Array


def means_at(beta: Array, alpha: Any, genes: Genes) -> Means:
    """The means at some coefficients, ``(p, genes)``."""
    eta = jnp.clip(genes.design @ beta + genes.offsets, -_LARGEST_ETA, _LARGEST_ETA)
    mu = jnp.exp(eta)
    # Without barriers the compiler repeats all of this wherever a part of it is used.
    barrier: Any = jax.lax.optimization_barrier
    mu, q = barrier((mu, 1 / (1 + alpha * mu)))
    return Means(eta, mu, alpha * mu, q)


def likelihood_at(means: Means, genes: Genes) -> Likelihood:
    """The log-likelihood, without what does not depend on the coefficients."""
    y, w = genes.counts, genes.weights
    barrier: Any = jax.lax.optimization_barrier
    log1p_t = barrier(log1p(means.t, 1 + means.t))
    per_count = w * y * (means.eta - log1p_t)
    per_unit = jnp.where(means.t > 0, log1p_t / jnp.where(means.t > 0, means.t, 1), 1)
    per_cell = w * means.mu * per_unit
    return Likelihood(summed(per_count - per_cell), summed(jnp.abs(per_count) + per_cell))


def _newton(
    means: Means, beta: Array, alpha: Any, genes: Genes, free: Array | None, ridge: float
) -> _Step:
    """Newton step for observed information and a normal prior."""
    y, w, (_, mu, _, q) = genes.counts, genes.weights, means
    score = genes.design.T @ (w * (y - mu) * q) - ridge * beta
    information = genes.products.T @ (w * mu * q * q * (1 + alpha * y))
    if free is not None:
        score, information = score * free, restricted(information, free)
    barrier: Any = jax.lax.optimization_barrier
    step = barrier(solve(information, score, ridge))
    return _Step(step, 0.5 * summed(score * step))


@jax.jit
def least_squares(genes: Genes, free: Array) -> Array:
    """Coefficients of the logarithms of the counts, which outliers move little.

    Args:
        genes: of any design.
        free: 1 for the coefficients that are estimated, ``(p, genes or 1)``.
    """
    response = jnp.log(genes.counts + 0.5) - genes.offsets
    right = genes.design.T @ (genes.weights * response) * free
    return solve(restricted(genes.products.T @ genes.weights, free), right, 0.0)


@jax.jit
def profile(genes: Genes, start: Array, watched: Array, steps: Array) -> ProfileOnGrid:
    """The profile at every dispersion of `GRID`, each from the coefficients at the one before.

    Args:
        genes: with a design of orthonormal columns times the root of the rows, and offsets in which
            the mean of a gene is.
        start: coefficients to start from, ``(p, genes)``.
        watched: 1 for the row whose prediction is asked for, 0 for others, ``(rows, genes)``.
        steps: Newton steps at each.
    """
    points, count = GRID.size, genes.counts.shape[1]
    grid, size = jnp.asarray(np.exp(GRID)), genes.design.shape[1]

    def at_round(number: Array, carry: Any) -> Any:
        beta, before, records = carry
        since = number - _FIRST_STEPS
        # In the last of a point's rounds the coefficients are those that the values are taken at.
        point, round_of_point = since // (steps + 1), since % (steps + 1)
        last = (since >= 0) & (round_of_point == steps)
        alpha = grid[jnp.maximum(point, 0)]
        here = _newton(means_at(beta, alpha, genes), beta, alpha, genes, None, _RIDGE)
        records = tuple(
            jax.lax.dynamic_update_index_in_dim(record, entry, jnp.maximum(point, 0), 0)
            for record, entry in zip(records, (beta, here.decrement), strict=True)
        )
        longest = largest(here.step)
        step = here.step * jnp.minimum(1, _LONGEST_STEP / jnp.maximum(longest, 1e-300))
        # From one point to the next the coefficients move evenly, once they do at all.
        ahead = jnp.clip(beta - before, -0.5, 0.5) * (point > 0)
        moved = beta + step + jnp.where(last, ahead, 0)
        return moved, jnp.where(last, beta, before), records

    records = jnp.zeros((points, size, count)), jnp.zeros((points, count))
    rounds = _FIRST_STEPS + points * (steps + 1)
    _, _, (betas, decrement) = jax.lax.fori_loop(0, rounds, at_round, (start, start, records))

    def at_point(entries: tuple[Array, Array]) -> tuple[Array, Array, Array]:
        beta, alpha = entries
        means = means_at(beta, alpha, genes)
        packed = genes.products.T @ (genes.weights * means.mu * means.q)
        log_determinant, variance = determinant_and_form(packed, genes.design.T @ watched, _RIDGE)
        value = likelihood_at(means, genes).value - 0.5 * log_determinant
        return value, summed(watched * means.eta), variance

    value, eta, variance = jax.lax.map(at_point, (betas, grid))
    return ProfileOnGrid(value + decrement, eta, variance, decrement)


class _Search(NamedTuple):
    """Where the search for the maximum is; entries of every gene."""

    beta: Array
    best: Array
    step: Array
    length: Array
    decrement: Array
    rounds: Array


@jax.jit
def fit_at(
    genes: Genes, start: Array, alpha: Array, free: Array, tolerance: Array
) -> CoefficientsAt:
    """The maximum over the coefficients, which is that of a concave function.

    Args:
        genes: of any design of full rank.
        start: coefficients to start from, ``(p, genes)``.
        alpha: dispersions, ``(genes,)``.
        free: 1 for the coefficients that are estimated, ``(p, genes)``.
        tolerance: of what a step may be expected to add.
    """

    def going(state: _Search) -> Array:
        return (state.decrement >= tolerance) & (state.length > 1e-12)

    def more(state: _Search) -> Array:
        return jnp.any(going(state)) & (state.rounds < _MAX_ITER)

    def search(state: _Search) -> _Search:
        trial = state.beta + state.length * state.step
        means = means_at(trial, alpha, genes)
        here = likelihood_at(means, genes)
        ahead = _newton(means, trial, alpha, genes, free, 0.0)
        rises = here.value >= state.best - _ROUNDING * here.magnitude
        accepted = rises & going(state)
        longest = largest(ahead.step)
        whole = jnp.minimum(1, 2 * _LONGEST_STEP / jnp.maximum(longest, 1e-300))
        return _Search(
            jnp.where(accepted, trial, state.beta),
            jnp.where(accepted, here.value, state.best),
            jnp.where(accepted, ahead.step, state.step),
            jnp.where(accepted, whole, jnp.where(rises, state.length, state.length / 4)),
            jnp.where(accepted, ahead.decrement, state.decrement),
            state.rounds + 1,
        )

    count = genes.counts.shape[1]
    state = _Search(
        start,
        jnp.full(count, -jnp.inf),
        jnp.zeros_like(start),
        jnp.ones(count),
        jnp.full(count, jnp.inf),
        jnp.zeros((), jnp.int32),
    )
    state = jax.lax.while_loop(more, search, state)
    converged = state.decrement < tolerance
    beta = state.beta + jnp.where(converged, state.step, 0)
    value = state.best + jnp.where(converged, state.decrement, 0)
    return CoefficientsAt(beta, value, converged)
