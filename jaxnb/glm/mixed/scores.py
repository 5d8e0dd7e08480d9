r"""Donors' scores at given standard deviations of a random intercept and a random slope.

The linear predictor of a donor's row is η + σ z₁ + τ t z₂ with z₁, z₂ ~ N(0, 1) and t a number that
belongs to the row. At given α, σ and τ the marginal log-likelihood is concave in the coefficients,
and a few Newton steps maximize it. What a test needs of every donor is the score and the
information on (β, a shift of all rows of the donor), by the identities of Fisher and Louis at the
nodes of a product rule around the two-dimensional mode. With τ = 0 the second rule has one node.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnb._types import Array
from jaxnb.glm.mixed.nodes import Block, arranged, means, terms
from jaxnb.glm.mixed.problem import MixedProblem
from jaxnb.glm.mixed.quadrature import hermite

__all__ = ["DonorScores", "ScaleFit", "Scales", "donor_scores", "fit_at_scales"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Entry: TypeAlias = Any

# The mode places the nodes, and need not be exact.
_MODE_TOLERANCE, _MODE_STEPS = 1e-3, 50
# No step towards the mode changes the linear predictor by more.
_LONGEST_STEP = 2.0
_NODES_ALONE, _NODES_OF_BOTH, _NODES_WIDE = 11, 5, 25
_WIDE = 1.0
_MAX_ITER, _TOLERANCE = 50, 1e-8


@dataclass(frozen=True)
class Scales:
    """Standard deviations common to all genes.

    Attributes:
        sigma: of the random intercept.
        tau: of the random slope.
        slope: t, ``(donors, rows)``.
    """

    sigma: float
    tau: float
    slope: Floats

    def nodes(self) -> tuple[Floats, Floats]:
        """Pairs of standardized nodes ``(nodes, 2)`` and the logarithms of their weights."""
        if self.tau == 0:
            rules = hermite(_NODES_ALONE if self.sigma <= _WIDE else _NODES_WIDE), hermite(1)
        else:
            rules = (hermite(_NODES_OF_BOTH),) * 2
        pairs = np.meshgrid(*(rule.positions for rule in rules), indexing="ij")
        weights = np.add.outer(*(rule.log_weights for rule in rules))
        return np.stack([entry.ravel() for entry in pairs], axis=1), weights.ravel()


class DonorScores(NamedTuple):
    """At a point; the last entry of p + 1 is a shift of all rows of a donor.

    Attributes:
        value: of the marginal log-likelihood up to a constant, ``(genes,)``.
        score: ``(genes, donors, p + 1)``.
        information: ``(genes, donors, p + 1, p + 1)``.
        modes: ``(genes, donors, 2)``.
    """

    value: Entry
    score: Entry
    information: Entry
    modes: Entry


@dataclass
class ScaleFit:
    """Coefficients at given scales and dispersions.

    Attributes:
        beta: ``(genes, p)``.
        value: of the marginal log-likelihood up to a constant, ``(genes,)``.
        converged: ``(genes,)``.
        information: on the coefficients, the identity where they are not free, ``(genes, p, p)``.
        score: see `DonorScores`.
        donors_information: see `DonorScores`.
    """

    beta: Floats
    value: Floats
    converged: NDArray[np.bool_]
    information: Floats
    score: Floats
    donors_information: Floats


@jax.jit
def donor_scores(
    alpha: Array,
    beta: Array,
    scales: Array,
    slope: Array,
    modes: Array,
    block: Block,
    positions: Array,
    log_weights: Array,
) -> DonorScores:
    """Scores and information of every donor, for a block of genes.

    Args:
        alpha: dispersions, ``(genes,)``.
        beta: coefficients, ``(genes, p)``.
        scales: σ and τ.
        slope: t, ``(donors, rows)``.
        modes: where the search for z begins, ``(genes, donors, 2)``.
        block: the data.
        positions: pairs of standardized nodes.
        log_weights: of the nodes.
    """
    cells = arranged(alpha, beta, block)
    loadings = jnp.stack([jnp.full_like(slope, scales[0]), scales[1] * slope], axis=2)

    def newton(z: Array) -> tuple[Array, Array, Array, Array]:
        mu = means(cells.mu, jnp.einsum("dgk,drk->drg", z, loadings))
        q = 1 / (1 + alpha * mu)
        first = jnp.sum((cells.counts - cells.weights * mu) * q, axis=0)
        second = jnp.sum(mu * q * q * (cells.weights + alpha * cells.counts), axis=0)
        g = jnp.einsum("drg,drk->dgk", first, loadings) - z
        h = jnp.einsum("drg,drk,drl->dgkl", second, loadings, loadings)
        h11, h22, h12 = 1 + h[..., 0, 0], 1 + h[..., 1, 1], h[..., 0, 1]
        determinant = h11 * h22 - h12 * h12
        step = jnp.stack(
            [h22 * g[..., 0] - h12 * g[..., 1], h11 * g[..., 1] - h12 * g[..., 0]], axis=2
        )
        return step / determinant[..., None], h22, h12, determinant

    def going_on(state: Any) -> Any:
        _, size, count = state
        return (size > _MODE_TOLERANCE) & (count < _MODE_STEPS)

    def better(state: Any) -> Any:
        z, _, count = state
        step = newton(z)[0]
        moved = jnp.max(jnp.abs(step) * scales, axis=2, keepdims=True)
        step *= jnp.minimum(1, _LONGEST_STEP / jnp.maximum(moved, 1e-300))
        return z + step, jnp.max(jnp.abs(step)), count + 1

    modes, *_ = jax.lax.while_loop(going_on, better, (jnp.moveaxis(modes, 0, 1), jnp.inf, 0))
    _, h22, h12, determinant = newton(modes)
    # The Cholesky factor of the inverse of the curvature.
    c11 = jnp.sqrt(h22 / determinant)
    c21, c22 = -h12 / (determinant * c11), 1 / jnp.sqrt(h22)
    y1, y2 = positions[:, :1], positions[:, 1:]
    # (donors, nodes, genes)
    away1, away2 = c11[:, None] * y1, c21[:, None] * y1 + c22[:, None] * y2
    z1, z2 = modes[:, None, :, 0] + away1, modes[:, None, :, 1] + away2

    def shift(first: Array, second: Array) -> Array:
        return scales[0] * first[:, None] + scales[1] * second[:, None] * slope[..., None, None]

    origin = shift(modes[:, None, :, 0], modes[:, None, :, 1])
    sums = terms(cells, origin, shift(away1, away2), order=0)
    exponent = jnp.sum(sums.value, axis=1) - (z1 * z1 + z2 * z2) / 2
    exponent += log_weights[:, None] + jnp.log(c11 * c22)[:, None]
    integral = jax.scipy.special.logsumexp(exponent, axis=1)
    posterior = jnp.exp(exponent - integral[:, None])
    integral += jnp.sum(sums.origin.value, axis=1)

    ones = jnp.ones((*block.design.shape[:2], 1))
    design = jnp.concatenate([block.design, ones], axis=2)
    free = jnp.concatenate([block.free, jnp.ones((len(alpha), 1))], axis=1)
    curvature = jnp.sum(posterior[:, None] * sums.curvature, axis=2)
    scores = jnp.einsum("drkg,drp->dkpg", sums.score, design) * free.T
    mean = jnp.sum(posterior[:, :, None] * scores, axis=1)
    deviation = scores - mean[:, None]
    covariance = jnp.einsum("dkpg,dkqg->gdpq", posterior[:, :, None] * deviation, deviation)
    expected = -jnp.einsum("drg,drp,drq->gdpq", curvature, design, design)
    mask = free[:, None, :, None] * free[:, None, None, :]
    return DonorScores(
        jnp.sum(integral, axis=0),
        jnp.moveaxis(mean, 2, 0),
        expected * mask - covariance,
        jnp.moveaxis(modes, 1, 0),
    )


def fit_at_scales(
    problem: MixedProblem, genes: Ints, alpha: Floats, start: Floats, scales: Scales
) -> ScaleFit:
    """Maximize the marginal log-likelihood over the coefficients.

    Args:
        problem: the data.
        genes: which genes.
        alpha: dispersions, ``(genes,)``.
        start: coefficients, ``(genes, p)``.
        scales: of the random effects.
    """
    positions, log_weights = scales.nodes()
    donors, size = problem.data.donors, start.shape[1]
    found = DonorScores(
        np.empty(genes.size),
        np.empty((genes.size, donors, size + 1)),
        np.empty((genes.size, donors, size + 1, size + 1)),
        np.zeros((genes.size, donors, 2)),
    )
    free = problem.data.separation.free[genes]
    unit = (~free)[:, :, None] * np.eye(size)

    def evaluate(which: Ints, beta: Floats) -> DonorScores:
        parts = DonorScores(*(entry[which] for entry in found))
        for mine, block in problem.blocks(genes[which], nodes=len(positions)):
            own = which[mine]
            with jax.enable_x64(True):
                result = donor_scores(
                    alpha[own],
                    beta[mine],
                    np.array([scales.sigma, scales.tau]),
                    scales.slope,
                    found.modes[own],
                    block,
                    positions,
                    log_weights,
                )
            for entry, new in zip(parts, result, strict=True):
                entry[mine] = np.asarray(new)
        return parts

    beta, trial = start.copy(), start.copy()
    active, length = np.arange(genes.size), np.ones(genes.size)
    step, gain = np.zeros_like(beta), np.full(genes.size, np.inf)
    found.value[:] = -np.inf
    for _ in range(_MAX_ITER):
        here = evaluate(active, trial[active])
        better = here.value >= found.value[active] - 1e-9 * (1 + np.abs(here.value))
        taken = active[better]
        beta[taken] = trial[taken]
        for entry, new in zip(found, here, strict=True):
            entry[taken] = new[better]
        length[active] = np.where(better, 1.0, length[active] / 4)
        score = found.score[active, :, :size].sum(axis=1)
        information = found.information[active, :, :size, :size].sum(axis=1) + unit[active]
        step[active] = np.linalg.solve(information, score[..., None])[..., 0]
        gain[active] = np.einsum("gp,gp->g", score, step[active])
        active = active[(gain[active] > _TOLERANCE) & (length[active] > 1e-6)]
        if not active.size:
            break
        shorter = length[active] / np.maximum(np.abs(step[active]).max(axis=1) / 2, 1)
        trial[active] = beta[active] + shorter[:, None] * step[active]
    information = found.information[:, :, :size, :size].sum(axis=1) + unit
    converged = gain <= _TOLERANCE
    beta[converged] += step[converged]
    return ScaleFit(beta, found.value, converged, information, found.score, found.information)
