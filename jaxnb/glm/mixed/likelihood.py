r"""The marginal log-likelihood of a random intercept per donor, and its derivatives.

The model of a donor's cells is x ~ NB(mean μ = s exp(xᵀβ + σz), variance μ + α μ²), z ~ N(0, 1), so
that a donor's part of the likelihood is

    ∫ exp(L(z)) φ(z) dz,    L(z) = Σ over the donor's rows and pseudo-cells of ℓ(η + σz),

by quadrature at nodes around the mode of the integrand. All sums over the rows of a donor are
inside the exponent. With the effect written as σz the likelihood is even in σ and smooth at σ = 0,
where it is that of the regression without donors: an effect u with variance σ² would run to -∞ in
log σ there.

The nodes move with the parameters as the mode does, at a rate κ that is the same for all nodes of
a donor: z + κᵀ(θ - θ₀), θ = (β, α, σ). With s and h the first and second derivative of ℓ in η
(`jaxnb.glm.mixed.nodes`), a row's linear predictor then has the derivatives
g = (x + σκ_β, σκ_α, z + σκ_σ), and the vector f(z) = Σ s g + (0, Σ ∂ℓ/∂α, 0) - zκ has as its
posterior mean the donor's part of the gradient (Fisher's identity). The posterior mean of the
second derivatives

    Σ h g gᵀ + Σ s (κ e_σᵀ + e_σ κᵀ) + Σ ∂s/∂α (g e_αᵀ + e_α gᵀ) + Σ ∂²ℓ/∂α² e_α e_αᵀ - κκᵀ

plus the posterior covariance of f is the donor's part of the Hessian (Louis). These are the exact
derivatives of the quadrature with nodes that move so, for any κ. With κ = 0 both parts of the
Hessian grow as the donor's counts N, their sum does not, and the third moments below lose N to the
power of 3/2: at N = 4e8 REML's σ was off by 3%. At the mode's rate f has no part that is linear in
z, and all numbers are of the size of the result. With s, I = -Σ h and c = Σ ∂s/∂α at the middle z₀
of the nodes, and k = 1 + σ²I, the rate is

    κ_β = σ Σ h x / k,    κ_α = σ c / k,    κ_σ = (Σ s - I σ z₀) / k.

The first derivatives x + σκ_β = (x + σ²I (x - x̄)) / k, x̄ the mean of x with weights -h, and
z + σκ_σ = z - z₀ + (z₀ + σ Σ s) / k are formed like this, since their parts nearly cancel.

The derivative of log det H, H = -∂²ℓ/∂β², is tr(A H') with A = H⁻¹. With δ = f - E f, S the first
p entries of δ, x the first p of g, and u(z) = κ_βᵀA κ_β - Σ h xᵀA x - SᵀA S, tr(A H) is the sum of
E u over the donors, so that

    ∂/∂θ log det H = Σ over donors of E(u δ) - E(Σ e g + Σ b e_α + 2 (Σ h xᵀ + Σ s Sᵀ) A κ_β e_σ),
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
from jaxnb.glm.likelihood import exceedances_part
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
        middle: of the nodes, ``(donors, genes)``.
        away: how far the nodes are from it.
        probability: of the nodes given the counts.
        terms: see `jaxnb.glm.mixed.nodes.Terms`.
        integrals: the logarithms of the donors' integrals, ``(donors, genes)``.
    """

    z: Array
    middle: Array
    away: Array
    probability: Array
    terms: Terms
    integrals: Array


class Motion(NamedTuple):
    """How a donor's nodes move with the parameters.

    Attributes:
        rate: κ, ``(donors, p + 2, genes)``.
        rows: g of the module's text at the middle of the nodes, ``(donors, rows, p + 2, genes)``.
    """

    rate: Array
    rows: Array


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
    value, magnitude, first, second = exceedances_part(
        alpha[:, None], block.exceedances, block.thresholds, block.center
    )
    value += jnp.sum(nodes.integrals, axis=0)
    magnitude += jnp.sum(jnp.abs(nodes.integrals), axis=0)
    motion = _motion(sigma, nodes, block)
    scores = _scores(nodes, motion)
    mean = jnp.sum(nodes.probability[:, :, None] * scores, axis=1)
    deviation = scores - mean[:, None]
    hessian = _hessian(nodes, motion, deviation, second, block)
    gradient = jnp.sum(mean, axis=0).T + first[:, None] * jnp.eye(mean.shape[1])[-2]
    change = jnp.zeros((len(alpha), 0))
    if determinant:
        change = _determinant(nodes, motion, deviation, hessian, block)
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
    counted = exceedances_part(alpha[:, None], block.exceedances, block.thresholds, block.center)
    return counted[0] + jnp.sum(nodes.integrals, axis=0)


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
    integrals += jnp.sum(sums.origin.value, axis=1)
    return _Posterior(z, middle, away, probability, sums, integrals)


def _motion(sigma: Array, nodes: _Posterior, block: Block) -> Motion:
    """At the rate of the mode, see the module's text."""
    origin, middle = nodes.terms.origin, nodes.middle
    score, information, cross = (jnp.sum(entry, axis=1) for entry in origin[1:])
    narrowed = 1 + sigma * sigma * information
    x = block.design[..., None] * block.free.T
    # Rows that agree in a column have a difference of 0 there, and not one of rounding.
    apart = x - x[:, :1]
    weighted = origin.information[:, :, None] * apart
    apart = information[:, None, None] * apart - jnp.sum(weighted, axis=1, keepdims=True)
    in_beta = (x + sigma * sigma * apart) / narrowed[:, None, None]
    rate = jnp.stack([sigma * cross, score - sigma * information * middle], axis=1)
    to_mean = jnp.sum(origin.information[:, :, None] * x, axis=1)
    rate = jnp.concatenate([-sigma * to_mean, rate], axis=1) / narrowed[:, None]
    others = jnp.stack([sigma * rate[:, -2], (middle + sigma * score) / narrowed], axis=1)
    others = jnp.broadcast_to(others[:, None], (*x.shape[:2], 2, x.shape[3]))
    return Motion(rate, jnp.concatenate([in_beta, others], axis=2))


def _scores(nodes: _Posterior, motion: Motion) -> Array:
    """f of the module's text, ``(donors, nodes, p + 2, genes)``."""
    sums = nodes.terms
    found = _by_column(sums.score, nodes, motion) - nodes.z[:, :, None] * motion.rate[:, None]
    return found.at[:, :, -2].add(jnp.sum(sums.d_alpha, axis=1))


def _by_column(values: Array, nodes: _Posterior, motion: Motion) -> Array:
    """Sums over a donor's rows of values times g: a new axis before the genes."""
    found: Array = jnp.einsum("drkg,drpg->dkpg", values, motion.rows)
    return found.at[:, :, -1].add(nodes.away * jnp.sum(values, axis=1))


def _hessian(
    nodes: _Posterior, motion: Motion, deviation: Array, in_alpha: Array, block: Block
) -> Array:
    sums, probability, rows, rate = nodes.terms, nodes.probability, motion.rows, motion.rate
    size = rows.shape[2]
    covariance = jnp.einsum("dkpg,dkqg->gpq", probability[:, :, None] * deviation, deviation)

    def expected(values: Array, power: int) -> Array:
        """Posterior means of a row's values times a power of away, ``(donors, rows, genes)``."""
        return jnp.sum((probability * nodes.away**power)[:, None] * values, axis=2)

    curvature = [expected(sums.curvature, power) for power in range(3)]
    cross = [expected(sums.cross, power) for power in range(2)]
    found = jnp.einsum("drg,drpg,drqg->gpq", curvature[0], rows, rows)
    found += covariance - jnp.einsum("dpg,dqg->gpq", rate, rate)
    # Twice the half of what stands on the diagonal.
    with_sigma = jnp.einsum("drg,drpg->gp", curvature[1], rows)
    with_sigma += jnp.einsum("drg,dpg->gp", expected(sums.score, 0), rate)
    with_sigma += 0.5 * jnp.sum(curvature[2], axis=(0, 1))[:, None] * jnp.eye(size)[-1]
    with_alpha = jnp.einsum("drg,drpg->gp", cross[0], rows)
    with_alpha += jnp.sum(cross[1], axis=(0, 1))[:, None] * jnp.eye(size)[-1]
    in_alpha += jnp.sum(expected(sums.d2_alpha, 0), axis=(0, 1))
    with_alpha += 0.5 * in_alpha[:, None] * jnp.eye(size)[-2]
    half = with_sigma[:, :, None] * jnp.eye(size)[-1] + with_alpha[:, :, None] * jnp.eye(size)[-2]
    held = jnp.pad(1 - block.free, ((0, 0), (0, 2)))
    return found + half + jnp.matrix_transpose(half) - held[:, :, None] * jnp.eye(size)


def _determinant(
    nodes: _Posterior, motion: Motion, deviation: Array, hessian: Array, block: Block
) -> Array:
    """The gradient of log det(-∂²/∂β²), see the module's text."""
    sums, size = nodes.terms, block.design.shape[2]
    x, rate, of_beta = motion.rows[:, :, :size], motion.rate[:, :size], deviation[:, :, :size]
    mask = block.free[:, :, None] * block.free[:, None, :]
    inverse = inverse_and_log_determinant(-hessian[:, :size, :size])[0] * mask
    own = jnp.einsum("drpg,drqg,gpq->drg", x, x, inverse)[:, :, None]
    along = jnp.einsum("dkpg,gpq->dkqg", of_beta, inverse)
    of_rows = jnp.einsum("dkqg,drqg->drkg", along, x)
    turned = jnp.einsum("dpg,gpq->dqg", rate, inverse)
    u = jnp.sum(turned * rate, axis=1)[:, None] - jnp.sum(sums.curvature * own, axis=1)
    u -= jnp.sum(along * of_beta, axis=2)
    e = sums.third * own + 2 * sums.curvature * of_rows
    b = sums.curvature_d_alpha * own + 2 * sums.cross * of_rows
    of_sigma = jnp.einsum("drkg,drpg,dpg->dkg", sums.curvature, x, turned)
    of_sigma += jnp.sum(sums.score, axis=1) * jnp.einsum("dkpg,dpg->dkg", of_beta, turned)
    change = _by_column(e, nodes, motion).at[:, :, -1].add(2 * of_sigma)
    change = change.at[:, :, -2].add(jnp.sum(b, axis=1))
    weighted = nodes.probability[:, :, None] * (u[:, :, None] * deviation - change)
    return jnp.sum(weighted, axis=(0, 1)).T
