r"""The marginal log-likelihood of a random intercept per donor, and its derivatives.

The model of a donor's cells is x ~ NB(mean μ = s exp(xᵀβ + σz), variance μ + α μ²), z ~ N(0, 1), so
that a donor's part of the likelihood is

    ∫ exp(L(z)) φ(z) dz,    L(z) = Σ over the donor's rows and pseudo-cells of ℓ(η + σz),

by quadrature at nodes around the mode of the integrand. All sums over the rows of a donor are
inside the exponent. With the effect written as σz the likelihood is even in σ and smooth at σ = 0,
where it is that of the regression without donors: an effect u with variance σ² would run to -∞ in
log σ there.

With s and h the first and second derivative of ℓ in η (`jaxnb.glm.mixed.nodes`), the vector
f(z) = (Σ s x, Σ ∂ℓ/∂α, z Σ s) has as its posterior mean the donor's part of the gradient (Fisher's
identity), and the posterior mean of the second derivatives plus the posterior covariance of f is
the donor's part of the Hessian (Louis). With the nodes held in place both are the exact derivatives
of the quadrature.

The derivative of log det H, H = -∂²ℓ/∂β², is tr(A H') with A = H⁻¹. With δ = f - E f, S the first p
entries of δ, and u(z) = -Σ h xᵀA x - SᵀA S, tr(A H) is the sum of E u over the donors, so that

    ∂/∂θ log det H = Σ over donors of E(u δ) - E(Σ e x, Σ b, z Σ e),
    e = h' xᵀA x + 2 h SᵀA x,    b = ∂h/∂α xᵀA x + 2 ∂s/∂α SᵀA x.

References:
    T. A. Louis (1982), *Finding the observed information matrix when using the EM algorithm*,
    J. R. Statist. Soc. B 44, 226-233. J. C. Pinheiro and D. M. Bates (1995), *Approximations to
    the log-likelihood function in the nonlinear mixed-effects model*, J. Comput. Graph. Stat. 4,
    12-35.
"""

from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.glm.likelihood import histogram_part
from jaxnb.glm.linear_algebra import inverse_and_log_determinant
from jaxnb.glm.mixed.modes import placed
from jaxnb.glm.mixed.nodes import Block, Terms, arranged, terms
from jaxnb.glm.mixed.quadrature import Rule

__all__ = ["Evaluation", "effects", "evaluate", "given_nodes"]

# A JAX array inside the compiled function, a numpy array outside it.
Entry: TypeAlias = Any


class Evaluation(NamedTuple):
    """The log-likelihood at a point; parameters are ordered (β, α, σ).

    Attributes:
        log_likelihood: without Σ log x!, ``(genes,)``.
        magnitude: the sum of the absolute values of its terms, a bound of its rounding.
        gradient: ``(genes, p + 2)``.
        hessian: minus the identity where a coefficient is not free, ``(genes, p + 2, p + 2)``.
        modes: of z, where the next search may start, ``(genes, donors)``.
        determinant: the gradient of log det(-∂²/∂β²), ``(genes, p + 2)``; empty unless asked for.
    """

    log_likelihood: Entry
    magnitude: Entry
    gradient: Entry
    hessian: Entry
    modes: Entry
    determinant: Entry


class _Posterior(NamedTuple):
    """What is known at the nodes of every donor, ``(donors, nodes, genes)`` and more axes.

    Attributes:
        z: nodes.
        probability: of the nodes given the counts.
        terms: see `jaxnb.glm.mixed.nodes.Terms`.
        integrals: the logarithms of the donors' integrals, ``(donors, genes)``.
    """

    z: Array
    probability: Array
    terms: Terms
    integrals: Array


@partial(jax.jit, static_argnames=("between_ends", "determinant"))
def evaluate(
    alpha: Array,
    beta: Array,
    sigma: Array,
    modes: Array,
    block: Block,
    positions: Array,
    log_weights: Array,
    *,
    between_ends: bool,
    determinant: bool = False,
) -> Evaluation:
    """Value, gradient and Hessian for every gene; float64 throughout.

    Args:
        alpha: dispersions, ``(genes,)``.
        beta: coefficients, ``(genes, p)``.
        sigma: standard deviations of the donors' effects, ``(genes,)``.
        modes: where the search for the modes begins, ``(genes, donors)``.
        block: the data.
        positions: of a `Rule`, like those that follow.
        log_weights: see `positions`.
        between_ends: see `positions`.
        determinant: whether to evaluate the gradient of the determinant.
    """
    rule = Rule(positions, log_weights, between_ends)
    cells = arranged(alpha, beta, block)
    modes, origin, length = placed(cells, sigma, modes.T, between_ends=between_ends)
    nodes = _posterior(alpha, beta, sigma, origin, length, block, rule, 2 if determinant else 1)
    value, magnitude, first, second = histogram_part(
        alpha[:, None], block.exceedances, block.thresholds, block.center
    )
    value += jnp.sum(nodes.integrals, axis=0)
    magnitude += jnp.sum(jnp.abs(nodes.integrals), axis=0)
    scores = _scores(nodes, block)
    mean = jnp.sum(nodes.probability[:, :, None] * scores, axis=1)
    deviation = scores - mean[:, None]
    hessian = _hessian(nodes, deviation, second, block)
    gradient = jnp.sum(mean, axis=0).T + first[:, None] * jnp.eye(mean.shape[1])[-2]
    change = jnp.zeros((len(alpha), 0))
    if determinant:
        change = _determinant(nodes, deviation, hessian, block)
    return Evaluation(value, magnitude, gradient, hessian, modes.T, change)


@partial(jax.jit, static_argnames="between_ends")
def effects(
    alpha: Array,
    beta: Array,
    sigma: Array,
    block: Block,
    positions: Array,
    log_weights: Array,
    *,
    between_ends: bool,
) -> tuple[Array, Array]:
    """Posterior mean and variance of every donor's z, ``(genes, donors)``."""
    rule = Rule(positions, log_weights, between_ends)
    start = jnp.zeros((block.kept.shape[1], len(alpha)))
    cells = arranged(alpha, beta, block)
    _, origin, length = placed(cells, sigma, start, between_ends=between_ends)
    nodes = _posterior(alpha, beta, sigma, origin, length, block, rule, 0)
    mean = jnp.sum(nodes.probability * nodes.z, axis=1)
    variance = jnp.sum(nodes.probability * (nodes.z - mean[:, None]) ** 2, axis=1)
    return mean.T, variance.T


def given_nodes(
    alpha: Array, beta: Array, sigma: Array, origin: Array, length: Array, block: Block, rule: Rule
) -> Array:
    """The log-likelihood without Σ log x! with the nodes held in place, ``(genes,)``."""
    nodes = _posterior(alpha, beta, sigma, origin, length, block, rule, 0)
    constant = histogram_part(alpha[:, None], block.exceedances, block.thresholds, block.center)[0]
    return constant + jnp.sum(nodes.integrals, axis=0)


def _posterior(
    alpha: Array,
    beta: Array,
    sigma: Array,
    origin: Array,
    length: Array,
    block: Block,
    rule: Rule,
    order: int,
) -> _Posterior:
    center = jnp.mean(rule.positions)
    middle = origin + length * center
    away = length[:, None] * (rule.positions - center)[:, None]
    z = middle[:, None] + away
    sums = terms(
        arranged(alpha, beta, block),
        (sigma * middle)[:, None, None],
        (sigma * away)[:, None],
        order=order,
    )
    exponent = jnp.sum(sums.value, axis=1) - z * z / 2 + rule.log_weights[:, None]
    exponent += jnp.log(length)[:, None]
    integrals = jax.scipy.special.logsumexp(exponent, axis=1)
    # Not from the integral with what the nodes have in common: its rounding would be all theirs.
    probability = jnp.exp(exponent - integrals[:, None])
    integrals += jnp.sum(sums.start, axis=(1, 2))
    return _Posterior(z, probability, sums, integrals)


def _scores(nodes: _Posterior, block: Block) -> Array:
    """f of the module's text, ``(donors, nodes, p + 2, genes)``."""
    score = nodes.terms.score
    return jnp.concatenate(
        [
            _by_column(score, block) * block.free.T,
            jnp.sum(nodes.terms.d_alpha, axis=1)[:, :, None],
            (nodes.z * jnp.sum(score, axis=1))[:, :, None],
        ],
        axis=2,
    )


def _by_column(values: Array, block: Block) -> Array:
    """Sums over a donor's rows, times the columns of the design: a new axis before the genes."""
    found: Array = jnp.einsum("drkg,drp->dkpg", values, block.design)
    return found


def _hessian(nodes: _Posterior, deviation: Array, in_alpha: Array, block: Block) -> Array:
    design, size = block.design, block.design.shape[2]
    sums, probability = nodes.terms, nodes.probability
    covariance = jnp.einsum("dkpg,dkqg->gpq", probability[:, :, None] * deviation, deviation)

    def expected(values: Array, power: int) -> Array:
        """Posterior means of a row's values times a power of z, ``(donors, rows, genes)``."""
        return jnp.sum((probability * nodes.z**power)[:, None] * values, axis=2)

    curvature = [expected(sums.curvature, power) for power in range(3)]
    cross = [expected(sums.cross, power) for power in range(2)]
    in_beta = jnp.einsum("drg,drp,drq->gpq", curvature[0], design, design)
    in_beta *= block.free[:, :, None] * block.free[:, None, :]
    in_beta -= (1 - block.free)[:, :, None] * jnp.eye(size)
    mixed = jnp.stack([cross[0], curvature[1]])
    mixed = jnp.einsum("adrg,drp->gpa", mixed, design) * block.free[:, :, None]
    in_alpha += jnp.sum(expected(sums.d2_alpha, 0), axis=(0, 1))
    of_scales = jnp.stack([jnp.sum(values, axis=(0, 1)) for values in (cross[1], curvature[2])])
    both = jnp.stack([jnp.stack([in_alpha, of_scales[0]]), of_scales])
    both = jnp.moveaxis(both, 2, 0)
    return covariance + jnp.block([[in_beta, mixed], [jnp.matrix_transpose(mixed), both]])


def _determinant(nodes: _Posterior, deviation: Array, hessian: Array, block: Block) -> Array:
    """The gradient of log det(-∂²/∂β²), see the module's text."""
    design, size, sums = block.design, block.design.shape[2], nodes.terms
    mask = block.free[:, :, None] * block.free[:, None, :]
    inverse = inverse_and_log_determinant(-hessian[:, :size, :size])[0] * mask
    own = jnp.einsum("drp,drq,gpq->drg", design, design, inverse)[:, :, None]
    along = jnp.einsum("dkpg,gpq->dkqg", deviation[:, :, :size], inverse)
    of_rows = jnp.einsum("dkqg,drq->drkg", along, design)
    u = -jnp.sum(sums.curvature * own, axis=1)
    u -= jnp.sum(along * deviation[:, :, :size], axis=2)
    e = sums.third * own + 2 * sums.curvature * of_rows
    b = sums.curvature_d_alpha * own + 2 * sums.cross * of_rows
    change = jnp.concatenate(
        [
            _by_column(e, block) * block.free.T,
            jnp.sum(b, axis=1)[:, :, None],
            (nodes.z * jnp.sum(e, axis=1))[:, :, None],
        ],
        axis=2,
    )
    weighted = nodes.probability[:, :, None] * (u[:, :, None] * deviation - change)
    return jnp.sum(weighted, axis=(0, 1)).T
