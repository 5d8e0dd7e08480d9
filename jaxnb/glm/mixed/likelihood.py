r"""The marginal log-likelihood of a random intercept per donor, and its derivatives.

The model of a donor's cells is x ~ NB(mean μ = s exp(xᵀβ + σz), variance μ + α μ²), z ~ N(0, 1), so
that a donor's part of the likelihood is

    ∫ exp(L(z)) φ(z) dz,    L(z) = Σ over the donor's rows and pseudo-cells of ℓ(η + σz),

by quadrature at nodes around the mode of the integrand. All sums over the rows of a donor are
inside the exponent. With the effect written as σz the likelihood is even in σ and smooth at σ = 0,
where it is that of the regression without donors: an effect u with variance σ² would run to -∞ in
log σ there.

Given z, with q = 1 / (1 + αμ), the derivatives of ℓ at one pseudo-cell are those of
`jaxnb.glm.likelihood`: s = (w - cμ) q in η, h = -μ q² (c + αw) twice in η, -(w - cμ) μ q² in η and
α. The vector f(z) = (Σ s x, Σ ∂ℓ/∂α, z Σ s) has as its posterior mean the donor's part of the
gradient (Fisher's identity), and the posterior mean of the second derivatives plus the posterior
covariance of f is the donor's part of the Hessian (Louis). With the nodes held in place both are
the exact derivatives of the quadrature.

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
from jaxnb.glm.likelihood import histogram_part, per_cell_derivatives
from jaxnb.glm.linear_algebra import inverse_and_log_determinant
from jaxnb.glm.mixed.quadrature import DROP, Rule

__all__ = ["Block", "Evaluation", "determinant_derivative", "effects", "evaluate", "given_nodes"]

# A JAX array inside the compiled function, a numpy array outside it.
Entry: TypeAlias = Any

# Linear predictors are cut here, far beyond any node that counts: squares and cubes of the means
# stay finite.
_LARGEST = 100.0
# The mode places the nodes, and need not be exact; it is one Newton step better than this.
_MODE_TOLERANCE, _MODE_STEPS = 1e-3, 50
_END_STEPS = 10


class Block(NamedTuple):
    """The data of some genes.

    Attributes:
        free: 1 for the coefficients that are estimated, 0 for those held at 0, ``(genes, p)``.
        kept: 1 for the rows whose mean is positive, ``(genes, donors, rows)``.
        counts: weights of the counts, ``(genes, donors, rows, nodes)``.
        center: a positive number of the size of the gene's counts, ``(genes,)``.
        exceedances: N(x > k), ``(genes, thresholds)``.
        thresholds: k, ``(thresholds,)``.
        log_size_factors: ``(donors, rows, nodes)``.
        cells: weights of the cells, ``(donors, rows, nodes)``.
        design: ``(donors, rows, p)``.
    """

    free: Entry
    kept: Entry
    counts: Entry
    center: Entry
    exceedances: Entry
    thresholds: Array
    log_size_factors: Array
    cells: Array
    design: Array

    def weights(self) -> Array:
        """The weights of the cells of every gene, ``(genes, donors, rows, nodes)``."""
        weights: Array = self.cells * self.kept[..., None]
        return weights

    def linear(self, beta: Array) -> Array:
        """The linear predictor without the donors' effects, of the same shape."""
        return jnp.einsum("drp,gp->gdr", self.design, beta)[..., None] + self.log_size_factors


class Evaluation(NamedTuple):
    """The log-likelihood at a point; parameters are ordered (β, α, σ).

    Attributes:
        log_likelihood: without Σ log x!, ``(genes,)``.
        magnitude: the sum of the absolute values of its terms, a bound of its rounding.
        gradient: ``(genes, p + 2)``.
        hessian: minus the identity where a coefficient is not free, ``(genes, p + 2, p + 2)``.
        modes: of z, where the next search may start, ``(genes, donors)``.
    """

    log_likelihood: Entry
    magnitude: Entry
    gradient: Entry
    hessian: Entry
    modes: Entry


class Terms(NamedTuple):
    """Sums over pseudo-cells at every node, of a donor or ``(…, rows)``."""

    value: Array
    score: Array
    curvature: Array
    d_alpha: Array
    d2_alpha: Array
    cross: Array


@partial(jax.jit, static_argnames="between_ends")
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
) -> Evaluation:
    """Value, gradient and Hessian for every gene; float64 throughout."""
    rule = Rule(positions, log_weights, between_ends)
    modes, origin, length = _placed(alpha, beta, sigma, modes, block, between_ends)
    return _evaluation(alpha, beta, sigma, origin, length, block, rule)._replace(modes=modes)


@partial(jax.jit, static_argnames="between_ends")
def determinant_derivative(
    point: tuple[Array, Array, Array],
    direction: tuple[Array, Array, Array],
    modes: Array,
    block: Block,
    positions: Array,
    log_weights: Array,
    *,
    between_ends: bool,
) -> Array:
    """The derivative of log det(-∂²/∂β²) along a direction, ``(genes,)``.

    Args:
        point: α, β and σ.
        direction: changes of α, β and σ.
        modes: see `evaluate`.
        block: see `evaluate`.
        positions: see `evaluate`.
        log_weights: see `evaluate`.
        between_ends: see `evaluate`.
    """
    rule = Rule(positions, log_weights, between_ends)
    _, origin, length = _placed(*point, modes, block, between_ends)
    size = block.design.shape[2]

    def log_determinant(alpha: Array, beta: Array, sigma: Array) -> Array:
        found = _evaluation(alpha, beta, sigma, origin, length, block, rule)
        return inverse_and_log_determinant(-found.hessian[:, :size, :size])[1]

    derivative: Array = jax.jvp(log_determinant, point, direction)[1]
    return derivative


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
    start = jnp.zeros(block.kept.shape[:2])
    _, origin, length = _placed(alpha, beta, sigma, start, block, between_ends)
    z = _nodes(origin, length, rule)
    terms = _terms(alpha, beta, sigma, z, block)
    posterior, _ = _posterior(terms.value, z, length, rule)
    mean = jnp.sum(posterior * z, axis=2)
    return mean, jnp.sum(posterior * (z - mean[..., None]) ** 2, axis=2)


def given_nodes(
    alpha: Array, beta: Array, sigma: Array, z: Array, length: Array, block: Block, rule: Rule
) -> Array:
    """The log-likelihood without Σ log x! with the nodes held in place, ``(genes,)``."""
    terms = _terms(alpha, beta, sigma, z, block)
    _, values = _posterior(terms.value, z, length, rule)
    constant = histogram_part(alpha[:, None], block.exceedances, block.thresholds, block.center)[0]
    return constant + jnp.sum(values, axis=1)


def _placed(
    alpha: Array, beta: Array, sigma: Array, modes: Array, block: Block, between_ends: bool
) -> tuple[Array, Array, Array]:
    """The modes of z, and the origin and length of the nodes of every donor."""
    w, c, eta = block.counts, block.weights(), block.linear(beta)
    a, s = alpha[:, None, None, None], sigma[:, None]

    def derivatives(z: Array) -> tuple[Array, Array]:
        mu = jnp.exp(jnp.minimum(eta + (s * z)[..., None, None], _LARGEST))
        q = 1 / (1 + a * mu)
        first = jnp.sum((w - c * mu) * q, axis=(2, 3))
        second = jnp.sum(mu * q * q * (c + a * w), axis=(2, 3))
        return s * first - z, 1 + s * s * second

    def going_on(state: Any) -> Any:
        _, _, _, step, count = state
        return (jnp.max(jnp.abs(step)) > _MODE_TOLERANCE) & (count < _MODE_STEPS)

    def better(state: Any) -> Any:
        z, low, high, _, count = state
        first, second = derivatives(z)
        # The curvature is at least 1, so that the mode is between z and z + first. Newton's method
        # alone can cycle: for large means the first derivative hardly changes with z.
        low = jnp.maximum(low, jnp.where(first > 0, z, z + first))
        high = jnp.minimum(high, jnp.where(first > 0, z + first, z))
        new = z + first / second
        new = jnp.where((new < low) | (new > high), (low + high) / 2, new)
        return new, low, high, new - z, count + 1

    far = jnp.full_like(modes, jnp.inf)
    modes, *_ = jax.lax.while_loop(going_on, better, (modes, -far, far, far, 0))
    curvature = derivatives(modes)[1]
    if not between_ends:
        return modes, modes, 1 / jnp.sqrt(curvature)

    def value(z: Array) -> Array:
        mu = jnp.exp(jnp.minimum(eta + (s * z)[..., None, None], _LARGEST))
        log1p_t = jnp.log1p(a * mu)
        linear = w * ((s * z)[..., None, None] - log1p_t)
        return jnp.sum(linear - c * mu * _ratio(a * mu, log1p_t), axis=(2, 3)) - z * z / 2

    top = value(modes)

    def nearer(_: Array, z: Array) -> Array:
        # Newton's method comes from outside and never passes the end, since the fall is convex.
        return z - jnp.minimum(value(z) - top + DROP, 0) / derivatives(z)[0]

    # With a curvature of at least 1 the ends are nearer than this.
    reach = jnp.sqrt(2 * DROP)
    low = jax.lax.fori_loop(0, _END_STEPS, nearer, modes - reach)
    high = jax.lax.fori_loop(0, _END_STEPS, nearer, modes + reach)
    return modes, low, high - low


def _nodes(origin: Array, length: Array, rule: Rule) -> Array:
    nodes: Array = origin[..., None] + length[..., None] * rule.positions
    return nodes


def _posterior(value: Array, z: Array, length: Array, rule: Rule) -> tuple[Array, Array]:
    """Probabilities of the nodes, ``(genes, donors, nodes)``, and the log of the integrals."""
    exponent = value - z * z / 2 + rule.log_weights + jnp.log(length)[..., None]
    integral = jax.scipy.special.logsumexp(exponent, axis=2)
    return jnp.exp(exponent - integral[..., None]), integral


def _terms(alpha: Array, beta: Array, sigma: Array, z: Array, block: Block) -> Terms:
    """Sums over pseudo-cells; `value` and the derivatives in α over a donor's rows too."""
    a = alpha[:, None, None, None, None]
    w, c = block.counts[:, :, None], block.weights()[:, :, None]
    shift = sigma[:, None, None] * z
    eta = jnp.minimum(block.linear(beta)[:, :, None] + shift[..., None, None], _LARGEST)
    mu = jnp.exp(eta)
    log1p_t = jnp.log1p(a * mu)
    # Without the barrier the compiler repeats these in each of the sums that follow.
    barrier: Any = jax.lax.optimization_barrier
    mu, q, log1p_t = barrier((mu, 1 / (1 + a * mu), log1p_t))
    relative = log1p_t - jnp.log1p(a * block.center[:, None, None, None, None])
    residual, weight = w - c * mu, mu * q * q
    first, second = per_cell_derivatives(a, mu, q, log1p_t, w, c)
    return Terms(
        jnp.sum(w * (eta - relative) - c * mu * _ratio(a * mu, log1p_t), axis=(3, 4)),
        jnp.sum(residual * q, axis=4),
        -jnp.sum(weight * (c + a * w), axis=4),
        jnp.sum(first, axis=(3, 4)),
        jnp.sum(second, axis=(3, 4)),
        -jnp.sum(residual * weight, axis=4),
    )


def _ratio(t: Array, log1p_t: Array) -> Array:
    """log(1 + t) / t, also at 0."""
    return jnp.where(t > 0, log1p_t / jnp.where(t > 0, t, 1), 1)


def _evaluation(
    alpha: Array,
    beta: Array,
    sigma: Array,
    origin: Array,
    length: Array,
    block: Block,
    rule: Rule,
) -> Evaluation:
    design, size = block.design, block.design.shape[2]
    z = _nodes(origin, length, rule)
    terms = _terms(alpha, beta, sigma, z, block)
    posterior, integrals = _posterior(terms.value, z, length, rule)
    value, magnitude, first, second = histogram_part(
        alpha[:, None], block.exceedances, block.thresholds, block.center
    )
    value += jnp.sum(integrals, axis=1)
    magnitude += jnp.sum(jnp.abs(integrals), axis=1)

    scores = jnp.concatenate(
        [
            jnp.einsum("gdjr,drp->gdjp", terms.score, design) * block.free[:, None, None],
            terms.d_alpha[..., None],
            (z * jnp.sum(terms.score, axis=3))[..., None],
        ],
        axis=3,
    )
    mean = jnp.einsum("gdj,gdjk->gdk", posterior, scores)
    deviation = scores - mean[:, :, None]
    covariance = jnp.einsum("gdjk,gdjl->gkl", posterior[..., None] * deviation, deviation)

    def expected(values: Array, power: int) -> Array:
        """Posterior means of a row's values times a power of z."""
        return jnp.einsum("gdj,gdjr->gdr", posterior * z**power, values)

    curvature = [expected(terms.curvature, power) for power in range(3)]
    cross = [expected(terms.cross, power) for power in range(2)]
    hessian = covariance
    both = jnp.einsum("gdr,drp,drq->gpq", curvature[0], design, design)
    mask = block.free[:, :, None] * block.free[:, None, :]
    unit = (1 - block.free)[:, :, None] * jnp.eye(size)
    hessian = hessian.at[:, :size, :size].add(both * mask - unit)
    for column, sums in ((size, cross[0]), (size + 1, curvature[1])):
        mixed = jnp.einsum("gdr,drp->gp", sums, design) * block.free
        hessian = hessian.at[:, :size, column].add(mixed)
        hessian = hessian.at[:, column, :size].add(mixed)
    alpha_sigma = jnp.sum(cross[1], axis=(1, 2))
    hessian = hessian.at[:, size, size + 1].add(alpha_sigma)
    hessian = hessian.at[:, size + 1, size].add(alpha_sigma)
    in_alpha = second + jnp.sum(posterior * terms.d2_alpha, axis=(1, 2))
    hessian = hessian.at[:, size, size].add(in_alpha)
    hessian = hessian.at[:, size + 1, size + 1].add(jnp.sum(curvature[2], axis=(1, 2)))
    gradient = jnp.sum(mean, axis=1).at[:, size].add(first)
    return Evaluation(value, magnitude, gradient, hessian, origin)
