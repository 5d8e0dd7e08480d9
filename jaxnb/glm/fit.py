"""The regression of every gene, from any data and a formula: `fit`."""

import warnings
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from jaxnb.glm.counts import count_data
from jaxnb.glm.design import design_of
from jaxnb.glm.regression import Regression
from jaxnb.glm.result import GLMFit
from jaxnb.glm.shrinkage import DispersionPrior, shrink_dispersions
from jaxnb.glm.size_factors import size_factors_of
from jaxnb.glm.status import GLMStatus

__all__ = ["DISPERSIONS", "fit"]

Floats: TypeAlias = NDArray[np.float64]

DISPERSIONS = ("ml", "cox-reid", "shrunken")
# With fewer rows than this, a gene's own dispersion is too uncertain to test with.
_FEW_ROWS = 100
# A prior needs genes to be learned from.
_ENOUGH_GENES = 200


def fit(
    data: Any,
    design: Any,
    *,
    obs: pd.DataFrame | None = None,
    layer: str | None = None,
    size_factors: ArrayLike | str | None = None,
    dispersion: str = "auto",
    progress: bool = False,
) -> GLMFit:
    """Negative binomial regression of every gene on a design.

    The counts of a gene are x[i] ~ NB(mean s[i] exp(design[i] @ beta), variance μ + α μ²), with
    size factors s. The coefficients maximize the likelihood; they are natural logarithms of ratios
    of means.

    Args:
        data: counts, rows are cells or samples: AnnData, a DataFrame, a SciPy sparse matrix or an
            array; whole numbers, however stored.
        design: a formula on the columns of ``obs``, ``"~ batch + condition"`` (formulaic), or a
            design matrix, a row per row of the counts.
        obs: what is known of the rows; None for ``data.obs`` of AnnData.
        layer: for AnnData, the layer that holds the counts, or ``"raw"``; None for ``X``.
        size_factors: an array, one per row; ``"total"``; ``"median-ratio"``; or a column of
            ``obs``; None for median ratios if at least 100 genes have counts in every row, totals
            otherwise (`jaxnb.glm.size_factors.size_factors_of`).
        dispersion: ``"ml"``, the joint maximum of the likelihood; ``"cox-reid"``, that of the
            Cox-Reid adjusted profile likelihood, which corrects for the coefficients estimated;
            ``"shrunken"``, that with a log-normal prior around a trend over the mean, learned
            from all genes; ``"auto"``, shrunken with fewer than 100 rows and at least 200 genes,
            Cox-Reid otherwise. The result says which.
        progress: show progress bars.

    Returns:
        A `GLMFit`: estimates as pandas objects, and tests.

    Raises:
        TypeError: an argument of the wrong kind.
        ValueError: counts that are not whole, finite and non-negative; a formula, a design, size
            factors or a choice of dispersion that do not fit the data. The message says what to do.

    Accuracy: against fits at 40 digits, log-likelihoods are within 1e-10, coefficients within 1e-9
    and dispersions within 1e-9 relative (``tests/glm/test_reference.py``).

    References:
        A. C. Cameron and P. K. Trivedi (2013), *Regression Analysis of Count Data*, chapter 3.
    """
    counts = count_data(data, layer=layer, obs=obs)
    if dispersion not in ("auto", *DISPERSIONS):
        raise ValueError(
            f"dispersion={dispersion!r} is none of 'auto', {', '.join(map(repr, DISPERSIONS))}"
        )
    matrix = design_of(design, counts.obs)
    factors, how = size_factors_of(counts, size_factors)
    rows, genes = counts.matrix.shape
    if dispersion == "auto":
        few = rows < _FEW_ROWS and genes >= _ENOUGH_GENES
        dispersion = "shrunken" if few else "cox-reid"
    regression = Regression.of(counts.matrix, matrix.matrix, factors, progress=progress)
    found = regression.fit(cox_reid=dispersion != "ml")
    mean = np.asarray((counts.matrix.T @ (1 / factors)) / rows, np.float64)
    alpha, beta, log_likelihood = found.alpha, found.beta, found.log_likelihood
    prior: DispersionPrior | None = None
    converged = found.converged
    if dispersion == "shrunken":
        if genes < _ENOUGH_GENES:
            warnings.warn(
                f"a prior of the dispersions learned from only {genes} genes is uncertain",
                UserWarning,
                stacklevel=2,
            )
        alpha, prior = shrink_dispersions(regression, mean, found)
        beta, log_likelihood, converged = regression.fit_at(alpha, beta)
    separations = [problem.separation for _, problem in regression.problems()]
    limits = np.concatenate([part.limits for part in separations])
    kept = np.concatenate([part.kept for part in separations])
    empty = np.diff(counts.matrix.indptr) == 0
    status = np.select(
        [empty, ~converged, ~kept.all(axis=1), found.at_limit & (alpha == found.alpha), alpha == 0],
        [
            GLMStatus.ALL_ZEROS,
            GLMStatus.NOT_CONVERGED,
            GLMStatus.SEPARATED,
            GLMStatus.DISPERSION_LIMIT,
            GLMStatus.POISSON,
        ],
        GLMStatus.CONVERGED,
    )
    return GLMFit(
        counts=counts,
        design=matrix,
        size_factors=pd.Series(factors, counts.obs.index, name="size_factor"),
        size_factors_from=how,
        dispersion_method=dispersion,
        prior=prior,
        regression=regression,
        alpha=alpha,
        beta=beta,
        limits=limits,
        log_likelihoods=np.where(empty, 0.0, log_likelihood),
        codes=status,
        means=mean,
    )
