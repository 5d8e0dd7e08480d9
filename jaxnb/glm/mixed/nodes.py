r"""Sums over a donor's pseudo-cells, as functions of its random effect.

A donor's cells enter the marginal likelihood by L = Σ ℓ(η + shift), over its rows and pseudo-cells,
and by derivatives of that, at every node of a quadrature rule. With q = 1 / (1 + αμ) the
derivatives of ℓ at one pseudo-cell are

    s = (w - cμ) q in η,    h = -μ q² (c + αw) twice in η,    h (2q - 1) three times in η,
    -(w - cμ) μ q² in η and α,    -μ q² (w - 2 μ q (c + αw)) twice in η and once in α,

and those of `jaxnb.glm.likelihood` in α.

What a donor's counts say of its effect is in differences of L between nodes, which for counts of
1e7 are 1e-8 of L. So L is its value at an origin plus Σ (ℓ(η + origin + d) - ℓ(η + origin)). With
μ, t, q and s at the origin, p = qt and e = exp(d) - 1, the difference of one pseudo-cell is

    w (d - D) - c D / α,    D = log(1 + αμ exp(d)) - log(1 + αμ) = log(1 + p e).

For large counts the nodes are near each other, and the two terms nearly cancel. The part linear in
d is therefore summed over the pseudo-cells first, and the rest is of second order:

    s d - (c + αw) μ q ((e - d) - (p e - D) / p).

The score at a node becomes s - μ e (c + αw) q q', with q' at the node.

Genes are the last axis here and pseudo-cells the first, over which the sums are accumulated one
after the other: a processor then does neighboring genes at once, and nothing of the size of
pseudo-cells times nodes is written to memory. Means are products of exp(η) and exp(shift), which
spares an exponential for every pair.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.glm.likelihood import per_cell_derivatives
from jaxnb.special.polynomial import horner

__all__ = ["LARGEST", "Block", "Cells", "Origin", "Terms", "arranged", "means", "ratio", "terms"]

# A JAX array inside the compiled function, a numpy array outside it.
Entry = Any

# Linear predictors are cut here, far beyond any node that counts: squares and cubes of the means
# stay finite.
LARGEST = 100.0
# How near the origin differences from it are formed as such.
_NEAR = 1.0
# Below it exp(d) - 1 - d and u - log(1 + u) are series; less than 4e-17 of their sums is left out.
_SHORT = 0.05
_EXPONENTIAL = tuple(1 / math.factorial(n) for n in reversed(range(2, 12)))
_LOGARITHM = tuple((-1) ** n / n for n in reversed(range(2, 14)))
# Below it three terms of a series in t have all digits.
_SMALL = 1e-5


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


class Cells(NamedTuple):
    """Pseudo-cells of some genes at given coefficients, ``(nodes, donors, rows, genes)``.

    Attributes:
        alpha: dispersions, ``(genes,)``.
        center: as in `Block`.
        counts: weights w of the counts.
        weights: weights c of the cells.
        eta: linear predictors without random effects.
        mu: their exponentials.
    """

    alpha: Array
    center: Array
    counts: Array
    weights: Array
    eta: Array
    mu: Array


class Origin(NamedTuple):
    """Sums over pseudo-cells at the origin, ``(donors, rows, genes)``.

    Attributes:
        value: of ℓ.
        score: of ∂ℓ/∂η.
        information: of -∂²ℓ/∂η².
        cross: of ∂²ℓ/∂η∂α.
    """

    value: Array
    score: Array
    information: Array
    cross: Array


class Terms(NamedTuple):
    """Sums over pseudo-cells, ``(donors, rows, nodes of the effect, genes)``.

    Attributes:
        origin: the sums there.
        value: of ℓ, less that at the origin.
        score: of ∂ℓ/∂η.
        curvature: of ∂²ℓ/∂η².
        d_alpha: of ∂ℓ/∂α.
        d2_alpha: of ∂²ℓ/∂α².
        cross: of ∂²ℓ/∂η∂α.
        third: of ∂³ℓ/∂η³.
        curvature_d_alpha: of ∂³ℓ/∂η²∂α.
    """

    origin: Origin
    value: Array
    score: Array
    curvature: Array
    d_alpha: Any = None
    d2_alpha: Any = None
    cross: Any = None
    third: Any = None
    curvature_d_alpha: Any = None


def arranged(alpha: Array, beta: Array, block: Block) -> Cells:
    """The pseudo-cells of a block of genes at coefficients ``(genes, p)``."""
    linear = jnp.einsum("drp,gp->drg", block.design, beta)
    eta = jnp.moveaxis(block.log_size_factors, 2, 0)[..., None] + linear
    counts = jnp.transpose(block.counts, (3, 1, 2, 0))
    weights = jnp.moveaxis(block.cells, 2, 0)[..., None] * jnp.moveaxis(block.kept, 0, 2)
    return Cells(alpha, block.center, counts, weights, eta, jnp.exp(jnp.minimum(eta, LARGEST)))


def means(mu: Array, shift: Array) -> Array:
    """μ exp(shift), cut."""
    return jnp.minimum(mu * jnp.exp(jnp.minimum(shift, LARGEST)), jnp.exp(LARGEST))


def terms(cells: Cells, origin: Array, away: Array, *, order: int) -> Terms:
    """The sums at some nodes.

    Args:
        cells: the pseudo-cells.
        origin: what the random effects add to linear predictors at the origin, ``(donors, rows or
            1, 1, genes)``.
        away: how far the nodes are from it, ``(donors, rows or 1, nodes of the effect, genes)``.
        order: 0 for `origin`, `value`, `score` and `curvature`, 1 for those with one or two
            derivatives too, 2 for all.
    """
    a, cut = cells.alpha, jnp.minimum(away, LARGEST)
    growth, times = jnp.expm1(cut), jnp.exp(cut)
    near = jnp.abs(away) < _NEAR
    short = jnp.abs(away) < _SHORT
    growth_left = jnp.where(short, cut * cut * horner(_EXPONENTIAL, cut), growth - cut)
    # The same constant is taken off the sum over exceedances, see
    # `jaxnb.glm.likelihood.exceedances_part`.
    constant = jnp.log1p(a * cells.center)

    def added(sums: list[Array], one: tuple[Array, ...]) -> tuple[list[Array], None]:
        w, c, eta, mu = (entry[:, :, None] for entry in one)
        mu = means(mu, origin)
        t, linear = a * mu, jnp.minimum(eta + origin, LARGEST)
        log1p_t, q = jnp.log1p(t), 1 / (1 + t)
        per_cell = mu * ratio(t, log1p_t)
        of_origin = [w * (linear - log1p_t + constant) - c * per_cell]

        grown = jnp.minimum(mu * times, jnp.exp(LARGEST))
        both, p = c + a * w, t * q
        # Near the origin D is a logarithm of its own, elsewhere the difference of two.
        argument = jnp.where(near, p * growth, a * grown)
        logarithm = jnp.log1p(argument)
        rise = jnp.where(near, logarithm, logarithm - log1p_t)
        second_order = growth_left - _logarithm_left(p, growth, argument, logarithm, near)
        rise_of_cell = grown * ratio(argument, logarithm) - per_cell
        value = jnp.where(near, -both * mu * q * second_order, w * (away - rise) - c * rise_of_cell)
        residual, weight = w - c * mu, mu * q * q
        of_origin += [residual * q, weight * both, -residual * weight]
        risen = jnp.where(near, mu * growth, grown - mu)
        log1p_t, mu, before = log1p_t + rise, grown, q
        q = 1 / (1 + a * mu)
        residual, weight = w - c * mu, mu * q * q
        found = [*of_origin, value, -risen * both * before * q, -weight * both]
        if order > 0:
            found += per_cell_derivatives(a, mu, q, log1p_t, w, c)
            found.append(-residual * weight)
        if order > 1:
            found += [weight * both * (1 - 2 * q), weight * (2 * mu * q * both - w)]
        return [total + term for total, term in zip(sums, found, strict=True)], None

    donors, rows = cells.eta.shape[1:3]
    nodes, genes = away.shape[2:]
    zeros = jnp.zeros((donors, rows, nodes, genes))
    # What is at the origin is the same for all nodes.
    sums = [zeros[:, :, :1]] * len(Origin._fields) + [zeros] * (3, 6, 8)[order]
    pairs = cells.counts, cells.weights, cells.eta, cells.mu
    sums = jax.lax.scan(added, sums, pairs)[0]
    first = Origin(*(entry[:, :, 0] for entry in sums[:4]))
    score, value, change, *others = sums[1], *sums[4:]
    value += jnp.where(near, score * away, 0)
    return Terms(first, value, score + change, *others)


def _logarithm_left(
    p: Array, growth: Array, argument: Array, logarithm: Array, near: Array
) -> Array:
    """(p e - D) / p for small d, with the argument p e of the logarithm D; elsewhere finite."""
    small = jnp.abs(argument) < _SHORT
    u = jnp.where(small, argument, 0)
    apart = (argument - logarithm) / jnp.where(near & ~small, p, 1)
    return jnp.where(small, u * growth * horner(_LOGARITHM, u), apart)


def ratio(t: Array, log1p_t: Array) -> Array:
    """log(1 + t) / t, also at 0, and so are its derivatives."""
    small = jnp.abs(t) < _SMALL
    return jnp.where(small, 1 - t * (1 / 2 - t / 3), log1p_t / jnp.where(small, 1, t))
