r"""The profile log-likelihood of NB regression and its derivatives, for a block of genes.

The model is x ~ NB(mean μ = s exp(xᵀβ), variance μ + α μ²), with the log-likelihood

    ℓ = Σₖ N(x > k) log(1 + αk) + Σ w (η - log(1 + αμ)) - Σ c log(1 + αμ) / α - Σ log x!,

where η = log μ. The first sum replaces the gamma functions, see `jaxnb.data.exceedances`; w is the
count of a cell and c is 1. The sums over cells run over pseudo-cells (`jaxnb.glm.pseudo_cells`), in
which w and c are weights of any sign. At α = 0 everything below is that of Poisson regression.

With q = 1 / (1 + αμ), t = αμ and r = (w - cμ) q:

    ∂ℓ/∂β = Xᵀr,    -∂²ℓ/∂β² = Xᵀ diag(μ q² (c + αw)) X = H,    ∂²ℓ/∂β∂α = -Xᵀ((w - cμ) μ q²),
    ∂ℓ/∂α = Σ N k / (1 + αk) - Σ wμq + Σ c μ² h(t),    h(t) = (log(1 + t) - t / (1 + t)) / t²,
    ∂²ℓ/∂α² = -Σ N k² / (1 + αk)² + Σ w μ² q² + Σ c μ³ h'(t),    h'(t) = (q² - 2h) / t.

Along the path β(α) of the maximum in β, β' = b = H⁻¹ ∂²ℓ/∂β∂α, so the profile has the derivatives
∂ℓ/∂α + v·∂²ℓ/∂β∂α and ∂²ℓ/∂α² + b·∂²ℓ/∂β∂α at a point that is one Newton step v = H⁻¹ Xᵀr away
from the path. The Cox-Reid adjustment is -½ log det I with I = Xᵀ diag(cW) X and W = μq. From
1/W = 1/μ + α and η' = Xb,

    W' = W q (η' - μ),    W'' = 2 W (q (η' - μ))² + W q (η'' - η'²),

with η'' = Xb', H b' = Xᵀr'' and r'' the second derivative of r along the path at η'' = 0. Then the
adjustment has the derivatives -½ tr(I⁻¹I') and -½ (tr(I⁻¹I'') - tr(I⁻¹I'I⁻¹I')). The last but one
is Σ c W'' x'I⁻¹x, linear in b', and one pass gives it together with r''.

References:
    D. R. Cox and N. Reid (1987), *Parameter orthogonality and approximate conditional inference*,
    J. R. Statist. Soc. B 49, 1-39. D. J. McCarthy, Y. Chen and G. K. Smyth (2012), *Differential
    expression analysis of multifactor RNA-Seq experiments*, Nucleic Acids Research 40, 4288-4297.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.glm.linear_algebra import inverse_and_log_determinant, times, unpacked
from jaxnb.special.polynomial import horner

__all__ = [
    "Block",
    "Evaluation",
    "covariance",
    "d_alpha_of_cells",
    "evaluate",
    "exceedances_part",
    "per_cell_derivatives",
]

# A JAX array inside the compiled function, a numpy array outside it.
Entry: TypeAlias = Any
Sums: TypeAlias = dict[str, Array]

# h(t) = Σ (-t)ⁿ (n + 1) / (n + 2). Where the closed form loses more than two digits, nine terms of
# the series leave out less than 1e-16.
_SMALL = 0.015
_H = tuple((-1.0) ** n * (n + 1) / (n + 2) for n in reversed(range(9)))
_H_DERIVATIVE = tuple((8 - i) * _H[i] for i in range(8))


class Block(NamedTuple):
    """The data of some genes.

    Attributes:
        free: 1 for the coefficients that are estimated, 0 for those held at 0, ``(genes, p)``.
        cells: weights c of the pseudo-cells, 0 where a gene's mean is 0, ``(genes, cells)``.
        counts: weights w, ``(genes, cells)``.
        center: a positive number of the size of the gene's counts, ``(genes,)``.
        exceedances: N(x > k), ``(genes, thresholds)``.
        thresholds: k, ``(thresholds,)``.
        log_size_factors: ``(cells,)``.
        design: distinct rows, or one per pseudo-cell, ``(rows, p)``.
        products: the packed products of its rows, ``(rows, p (p + 1) / 2)``.
        member: 1 where a pseudo-cell is of a row, ``(cells, rows)``; None if every one has its own.
    """

    free: Entry
    cells: Entry
    counts: Entry
    center: Entry
    exceedances: Entry
    thresholds: Array
    log_size_factors: Array
    design: Array
    products: Array
    member: Array | None

    def of_rows(self, terms: Array) -> Array:
        """Sums over the pseudo-cells of every row of the design."""
        return terms if self.member is None else terms @ self.member

    def at_cells(self, linear: Array) -> Array:
        """What a linear predictor of the rows is at the pseudo-cells."""
        return linear if self.member is None else linear @ self.member.T


class Evaluation(NamedTuple):
    """The profile at (α, β), each entry of shape ``(genes,)`` or ``(genes, p)``.

    Attributes:
        log_likelihood: ℓ without Σ log x!, at β itself.
        magnitude: the sum of the absolute values of the terms of ℓ, a bound of its rounding.
        adjustment: -½ log det I with Cox-Reid, 0 without.
        decrement: what a Newton step in β is expected to add to ℓ, ½ v·Xᵀr.
        score: ∂ℓ/∂β.
        step: the Newton step v in β.
        path: dβ/dα along the path.
        derivative: of the (adjusted) profile log-likelihood in α.
        curvature: its second derivative in α.
        of_adjustment: what the adjustment has of the derivative.
    """

    log_likelihood: Entry
    magnitude: Entry
    adjustment: Entry
    decrement: Entry
    score: Entry
    step: Entry
    path: Entry
    derivative: Entry
    curvature: Entry
    of_adjustment: Entry


@partial(jax.jit, static_argnames=("cox_reid", "profile", "at_once"))
def evaluate(
    alpha: Array,
    beta: Array,
    block: Block,
    *,
    cox_reid: bool,
    profile: bool = True,
    at_once: int | None = None,
) -> Evaluation:
    """Value, Newton step and derivatives at one point for every gene; float64 throughout.

    Args:
        alpha: dispersions, ``(genes,)``.
        beta: coefficients, ``(genes, p)``.
        block: the data.
        cox_reid: with the adjustment and its derivatives.
        profile: with the derivatives in α; those that are left out are 0.
        at_once: so many cells of a block without `member` at a time, which stay in the cache.
    """
    a = alpha[:, None]
    size = block.design.shape[1]
    one_pass = partial(_first_pass, a, beta, information=cox_reid, profile=profile)
    sums = _over_cells(one_pass, block, at_once)
    value, magnitude, first, second = exceedances_part(
        a, block.exceedances, block.thresholds, block.center
    )
    value += sums["value"]
    magnitude += sums["magnitude"]
    score = sums["score"] * block.free
    inverse, _ = inverse_and_log_determinant(_free(unpacked(sums["hessian"], size), block.free))
    step = times(inverse, score)
    decrement = 0.5 * jnp.sum(score * step, axis=1)
    zero = jnp.zeros_like(value)
    if not profile:
        return Evaluation(
            value, magnitude, zero, decrement, score, step, jnp.zeros_like(step), zero, zero, zero
        )
    cross = sums["cross"] * block.free
    path = times(inverse, cross)
    derivative = first + sums["first"] + jnp.sum(cross * step, axis=1)
    curvature = second + sums["second"] + jnp.sum(cross * path, axis=1)
    adjustment, of_adjustment = zero, zero
    if cox_reid:
        information = _free(unpacked(sums["information"], size), block.free)
        i_inverse, log_determinant = inverse_and_log_determinant(information)
        i_inverse *= block.free[:, :, None] * block.free[:, None, :]
        sums = _over_cells(partial(_second_pass, a, beta, path, i_inverse), block, at_once)
        d_path = times(inverse, sums["r2"] * block.free)
        ratio = i_inverse @ unpacked(sums["i1"], size)
        adjustment = -0.5 * log_determinant
        of_adjustment = -0.5 * jnp.trace(ratio, axis1=1, axis2=2)
        derivative += of_adjustment
        trace = sums["second"] + jnp.sum(sums["along"] * d_path, axis=1)
        curvature -= 0.5 * (trace - jnp.sum(ratio * jnp.swapaxes(ratio, 1, 2), axis=(1, 2)))
    return Evaluation(
        value, magnitude, adjustment, decrement, score, step, path, derivative, curvature,
        of_adjustment,
    )  # fmt: skip


def _over_cells(one_pass: Callable[[Block], Sums], block: Block, at_once: int | None) -> Sums:
    """The sums of a pass over all cells, made over so many of them at a time."""
    cells = block.counts.shape[1]
    if at_once is None or block.member is not None or cells < 2 * at_once:
        return one_pass(block)

    def of(start: Array | int, size: int) -> Sums:
        cut = partial(jax.lax.dynamic_slice_in_dim, start_index=start, slice_size=size)
        return one_pass(
            block._replace(
                cells=cut(block.cells, axis=1),
                counts=cut(block.counts, axis=1),
                log_size_factors=cut(block.log_size_factors, axis=-1),
                design=cut(block.design, axis=0),
                products=cut(block.products, axis=0),
            )
        )

    def body(number: Array, sums: Sums) -> Sums:
        found: Sums = jax.tree.map(jnp.add, sums, of(number * at_once, at_once))
        return found

    whole = cells // at_once
    rest = cells - whole * at_once
    sums = of(cells - rest, rest) if rest else jax.tree.map(jnp.zeros_like, of(0, at_once))
    found: Sums = jax.lax.fori_loop(0, whole, body, sums)
    return found


def _first_pass(a: Array, beta: Array, block: Block, *, information: bool, profile: bool) -> Sums:
    """Sums over cells at one point."""
    c, w = block.cells, block.counts
    eta = block.at_cells(beta @ block.design.T) + block.log_size_factors
    mu = jnp.exp(eta)
    t = a * mu
    q = 1 / (1 + t)
    log1p_t = jnp.log1p(t)
    # Without the barrier the compiler repeats these in each of the sums that follow.
    barrier: Any = jax.lax.optimization_barrier
    mu, q, log1p_t = barrier((mu, q, log1p_t))
    t = a * mu
    per_count = w * (eta - (log1p_t - jnp.log1p(a * block.center[:, None])))
    per_cell = c * mu * jnp.where(t > 0, log1p_t / jnp.where(t > 0, t, 1), 1)
    residual = w - c * mu
    weight = mu * q * q
    sums = {
        "value": jnp.sum(per_count - per_cell, axis=1),
        "magnitude": jnp.sum(jnp.abs(per_count) + jnp.abs(per_cell), axis=1),
        "score": block.of_rows(residual * q) @ block.design,
        "hessian": block.of_rows(weight * (c + a * w)) @ block.products,
    }
    if profile:
        first, second = per_cell_derivatives(a, mu, q, log1p_t, w, c)
        sums["cross"] = block.of_rows(-residual * weight) @ block.design
        sums |= {"first": jnp.sum(first, axis=1), "second": jnp.sum(second, axis=1)}
    if information:
        sums["information"] = block.of_rows(c * mu * q) @ block.products
    return sums


def _second_pass(a: Array, beta: Array, path: Array, i_inverse: Array, block: Block) -> Sums:
    """Sums over cells along the path, with tr(I⁻¹I'') = Σ W'' x'I⁻¹x."""
    c, w, size = block.cells, block.counts, block.design.shape[1]
    mu = jnp.exp(block.at_cells(beta @ block.design.T) + block.log_size_factors)
    q = 1 / (1 + a * mu)
    d_eta = block.at_cells(path @ block.design.T)
    rows, columns = jnp.tril_indices(size)
    # Every product of two different columns is there once.
    packed = i_inverse[:, rows, columns] * jnp.where(rows == columns, 1.0, 2.0)
    leverage = block.at_cells(packed @ block.products.T)
    n, n1 = w - c * mu, -c * mu * d_eta
    d1, d2 = mu * (1 + a * d_eta), mu * d_eta * (2 + a * d_eta)
    r2 = q * (n1 * d_eta - q * (2 * n1 * d1 + n * d2 - 2 * n * d1 * d1 * q))
    relative = q * (d_eta - mu)
    big_w = c * mu * q
    return {
        "r2": block.of_rows(r2) @ block.design,
        "i1": block.of_rows(big_w * relative) @ block.products,
        "second": jnp.sum(leverage * big_w * (2 * relative**2 - q * d_eta**2), axis=1),
        "along": block.of_rows(leverage * big_w * q) @ block.design,
    }


@jax.jit
def covariance(alpha: Array, beta: Array, block: Block) -> Array:
    """Inverse of the expected information on the free coefficients, 0 elsewhere."""
    mu = jnp.exp(block.at_cells(beta @ block.design.T) + block.log_size_factors)
    weight = block.cells * mu / (1 + alpha[:, None] * mu)
    information = unpacked(block.of_rows(weight) @ block.products, block.design.shape[1])
    inverse, _ = inverse_and_log_determinant(_free(information, block.free))
    free: Array = block.free
    return inverse * (free[:, :, None] * free[:, None, :])


def exceedances_part(
    a: Array, exceedances: Array, thresholds: Array, center: Array
) -> tuple[Array, Array, Array, Array]:
    """Σ N log((1 + αk) / (1 + αm)), the sum of its absolute terms, and derivatives without m.

    Σ N = Σ w is the sum of the counts: m, the center, is taken off both sums, which for counts in
    the millions would otherwise lose eight digits to each other.
    """
    k, m = thresholds, center[:, None]
    fraction = k / (1 + a * k)
    terms = exceedances * jnp.log1p(a * (k - m) / (1 + a * m))
    first = exceedances * fraction
    return (
        jnp.sum(terms, axis=1),
        jnp.sum(jnp.abs(terms), axis=1),
        jnp.sum(first, axis=1),
        -jnp.sum(first * fraction, axis=1),
    )


def d_alpha_of_cells(
    a: Array, mu: Array, w: Array, c: Array, center: Array
) -> tuple[Array, Array, Array]:
    """The sums over cells at fixed means, and their first and second derivatives in α."""
    t = a * mu
    q, log1p_t = 1 / (1 + t), jnp.log1p(t)
    first, second = per_cell_derivatives(a, mu, q, log1p_t, w, c)
    relative = log1p_t - jnp.log1p(a * center[:, None])
    per_cell = c * mu * jnp.where(t > 0, log1p_t / jnp.where(t > 0, t, 1), 1)
    return (
        jnp.sum(w * (jnp.log(mu) - relative) - per_cell, axis=1),
        jnp.sum(first, axis=1),
        jnp.sum(second, axis=1),
    )


def per_cell_derivatives(
    a: Array, mu: Array, q: Array, log1p_t: Array, w: Array, c: Array
) -> tuple[Array, Array]:
    """First and second derivatives in α of every pseudo-cell's term at a fixed mean."""
    h, dh = _h(a * mu, q, log1p_t)
    return c * mu * mu * h - w * mu * q, w * mu * mu * q * q + c * mu * mu * mu * dh


def _h(t: Array, q: Array, log1p_t: Array) -> tuple[Array, Array]:
    """h(t) = (log(1 + t) - t / (1 + t)) / t² and its derivative, also at 0."""
    near = t < _SMALL
    safe = jnp.where(near, 1.0, t)
    value = jnp.where(near, horner(_H, t), (log1p_t - t * q) / (safe * safe))
    derivative = jnp.where(near, horner(_H_DERIVATIVE, t), (q * q - 2 * value) / safe)
    return value, derivative


def _free(matrices: Array, free: Array) -> Array:
    """The matrices on the free coefficients, the identity on the others."""
    mask = free[:, :, None] * free[:, None, :]
    return matrices * mask + (1 - free)[:, :, None] * jnp.eye(free.shape[1])
