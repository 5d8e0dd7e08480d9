"""PyDESeq2 with the estimates of this package: ``DeseqDataSet(…, inference=PyDESeq2Inference())``.

Coefficients at given dispersions and dispersions at given means, the two steps that take PyDESeq2
nearly all of its time, are fitted for all genes at once. All else is PyDESeq2's own. What differs:
coefficients are those of the likelihood itself, not of one whose means are cut off below `min_mu`
(the means that are handed back are), and dispersions are the highest maximum between the bounds
that PyDESeq2 sets, not the nearest.
"""

from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from pydeseq2.default_inference import DefaultInference

from jaxnb._types import Array
from jaxnb.data.exceedances import exceedances
from jaxnb.glm.likelihood import d_alpha_of_cells, exceedances_part
from jaxnb.glm.linear_algebra import inverse_and_log_determinant, packed_products, unpacked
from jaxnb.glm.regression import Regression

__all__ = ["PyDESeq2Inference"]

Floats: TypeAlias = NDArray[np.float64]

_GRID_POINTS, _STEPS, _WIDTH = 17, 30, 1024
_TOLERANCE = 1e-10


class PyDESeq2Inference(DefaultInference):  # type: ignore[misc,unused-ignore]
    """An engine for `pydeseq2.dds.DeseqDataSet`; takes the arguments of `DefaultInference`."""

    def irls(
        self,
        counts: NDArray[Any],
        size_factors: Floats,
        design_matrix: Floats,
        disp: Floats,
        min_mu: float,
        beta_tol: float,
        min_beta: float = -30,
        max_beta: float = 30,
        optimizer: str = "L-BFGS-B",
        maxiter: int = 250,
    ) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
        """Coefficients, means, diagonals of the hat matrix and convergence.

        Infinite coefficients of separated genes are put at `min_beta` or `max_beta`; `beta_tol`,
        `optimizer` and `maxiter` are without effect.
        """
        design, factors = np.asarray(design_matrix, np.float64), np.asarray(size_factors)
        regression = Regression.of(np.asarray(counts), design, factors)
        alpha = np.asarray(disp, np.float64)
        beta, _, converged = regression.fit_at(alpha)
        limits, _ = regression.limits()
        beta = np.clip(np.where(limits == 0, beta, np.nan_to_num(limits)), min_beta, max_beta)
        mu = np.maximum(factors[:, None] * np.exp(design @ beta.T), min_mu)
        weight = mu / (1 + mu * alpha)
        information = np.einsum("ra,rg,rb->gab", design, weight, design, optimize=True)
        inverse = np.linalg.inv(information + 1e-6 * np.eye(design.shape[1]))
        hat = weight * np.einsum("ra,gab,rb->rg", design, inverse, design, optimize=True)
        return beta, mu, hat, converged

    def alpha_mle(
        self,
        counts: NDArray[Any],
        design_matrix: Floats,
        mu: Floats,
        alpha_hat: Floats,
        min_disp: float,
        max_disp: float,
        prior_disp_var: float | None = None,
        cr_reg: bool = True,
        prior_reg: bool = False,
        optimizer: str = "L-BFGS-B",
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Dispersions at given means, between the bounds, and convergence."""
        if prior_reg and prior_disp_var is None:
            raise ValueError("prior_reg needs prior_disp_var, the variance of the prior")
        precision = 1 / float(prior_disp_var) if prior_reg and prior_disp_var else 0.0
        products = packed_products(np.asarray(design_matrix, np.float64))
        found = exceedances(np.asarray(counts))
        x, means = np.asarray(counts, np.float64).T, np.asarray(mu, np.float64).T
        center = np.log(np.asarray(alpha_hat, np.float64))
        parts = []
        for start in range(0, len(x), _WIDTH):
            # the last gene fills the block
            genes = np.minimum(np.arange(start, start + _WIDTH), len(x) - 1)
            data = (means[genes], x[genes], found.weights[genes], found.thresholds, products)
            parts.append(
                _maximize(data, center[genes], precision, (min_disp, max_disp), bool(cr_reg))
            )
        log_alpha, converged = (
            np.concatenate(entry)[: len(x)] for entry in zip(*parts, strict=True)
        )
        return np.exp(log_alpha), converged


def _maximize(
    data: tuple[Floats, ...],
    center: Floats,
    precision: float,
    bounds: tuple[float, float],
    cox_reid: bool,
) -> tuple[Floats, NDArray[np.bool_]]:
    """The best point of a grid of log α, then Newton's method between its neighbors."""
    low, high = np.log(bounds)
    grid = np.linspace(low, high, _GRID_POINTS)
    with jax.enable_x64(True):
        arrays = tuple(jnp.asarray(entry) for entry in data)

        def evaluate(log_alpha: Floats) -> list[Floats]:
            found = _profile(jnp.asarray(log_alpha), *arrays, cox_reid=cox_reid)
            value, first, second = (np.asarray(entry) for entry in found)
            away = log_alpha - center
            return [
                value - precision * away**2 / 2,
                first - precision * away,
                second - precision,
            ]

        values = np.stack([evaluate(np.full_like(center, point))[0] for point in grid])
        best = np.argmax(values, axis=0)
        lower, upper = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, grid.size - 1)]
        here = grid[best]
        step = np.full_like(here, np.inf)
        for _ in range(_STEPS):
            _, first, second = evaluate(here)
            lower, upper = np.where(first > 0, here, lower), np.where(first > 0, upper, here)
            step = np.where(second < 0, -first / np.where(second < 0, second, -1), np.inf)
            target = here + np.where(np.isfinite(step), step, 0)
            outside = ~np.isfinite(step) | (target < lower) | (target > upper)
            target = np.where(outside, (lower + upper) / 2, target)
            step, here = target - here, target
            if np.all(np.abs(step) < _TOLERANCE):
                break
    return here, np.abs(step) < 1e-6


@partial(jax.jit, static_argnames="cox_reid")
def _profile(
    log_alpha: Array,
    mu: Array,
    x: Array,
    exceedances: Array,
    thresholds: Array,
    products: Array,
    *,
    cox_reid: bool,
) -> tuple[Array, Array, Array]:
    """Log-likelihood at fixed means, with the adjustment, and derivatives in log α."""
    a = jnp.exp(log_alpha)[:, None]
    center = jnp.maximum(jnp.mean(x, axis=1), 1)
    value, _, first, second = exceedances_part(a, exceedances, thresholds, center)
    per_cell, d1, d2 = d_alpha_of_cells(a, mu, x, jnp.ones_like(mu), center)
    value, first, second = value + per_cell, first + d1, second + d2
    if cox_reid:
        weight = mu / (1 + a * mu)
        stacked = jnp.concatenate([weight, -(weight**2), 2 * weight**3]) @ products
        size = int((np.sqrt(8 * products.shape[1] + 1) - 1) / 2)
        information, i1, i2 = jnp.split(unpacked(stacked, size), 3)
        inverse, log_determinant = inverse_and_log_determinant(information)
        ratio = inverse @ i1
        value -= log_determinant / 2
        first -= jnp.trace(ratio, axis1=1, axis2=2) / 2
        second -= jnp.trace(inverse @ i2 - ratio @ ratio, axis1=1, axis2=2) / 2
    scale = a[:, 0]
    return value, scale * first, scale * scale * second + scale * first
