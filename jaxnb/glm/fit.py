"""The regression of every gene, from any data and a formula: `fit`."""

from __future__ import annotations

from typing import Any, TypeAlias, overload

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from jaxnb._warnings import warn
from jaxnb.data.statistics import CountStatistics
from jaxnb.glm.adjustments import offsets_of, weights_of
from jaxnb.glm.counts import count_data, without_offsets
from jaxnb.glm.design import Design, design_of
from jaxnb.glm.estimates import estimates_of_any, estimates_of_samples
from jaxnb.glm.low_counts import enough_counts, rows_needed
from jaxnb.glm.mixed.result import MixedFit, fit_with_donors
from jaxnb.glm.replicates import warn_of_pseudoreplication
from jaxnb.glm.result import GLMFit
from jaxnb.glm.size_factors import size_factors_of
from jaxnb.glm.source import Source, source_of_counts, source_of_statistics
from jaxnb.glm.status import GLMStatus

__all__ = ["DISPERSIONS", "default_dispersion", "fit", "fitted"]

Floats: TypeAlias = NDArray[np.float64]

DISPERSIONS = ("ml", "cox-reid", "shrunken")
# With fewer rows than this, a gene's own dispersion is too uncertain to test with.
_FEW_ROWS = 100
# A prior needs genes to be learned from. With 20, 50, 100 and 150 genes of 4 samples against 4
# without differences, the quasi-likelihood test has 5.7, 4.8, 4.0 and 5.1% of its p-values below
# 0.05, and the likelihood ratio at Cox-Reid dispersions 8 to 10%.
_ENOUGH_GENES = 50
# Up to so many rows, dense arrays of counts are faster than pseudo-cells.
_MOST_SAMPLES = 500


@overload
def fit(
    data: Any,
    design: Any,
    *,
    obs: pd.DataFrame | None = None,
    layer: str | None = None,
    genes: Any = None,
    size_factors: ArrayLike | str | None = None,
    dispersion: str = "auto",
    random: None = None,
    filter_low: bool = False,
    keep_outliers: bool = False,
    offsets: Any = None,
    weights: Any = None,
    allow_non_integer: bool = False,
    progress: bool = False,
) -> GLMFit: ...


@overload
def fit(
    data: Any,
    design: Any,
    *,
    obs: pd.DataFrame | None = None,
    layer: str | None = None,
    genes: Any = None,
    size_factors: ArrayLike | str | None = None,
    dispersion: str = "auto",
    random: Any,
    filter_low: bool = False,
    keep_outliers: bool = False,
    offsets: Any = None,
    weights: Any = None,
    allow_non_integer: bool = False,
    progress: bool = False,
) -> MixedFit: ...


def fit(
    data: Any,
    design: Any,
    *,
    obs: pd.DataFrame | None = None,
    layer: str | None = None,
    genes: Any = None,
    size_factors: ArrayLike | str | None = None,
    dispersion: str = "auto",
    random: Any = None,
    filter_low: bool = False,
    keep_outliers: bool = False,
    offsets: Any = None,
    weights: Any = None,
    allow_non_integer: bool = False,
    progress: bool = False,
) -> GLMFit | MixedFit:
    """Negative binomial regression of every gene on a design.

    The counts of a gene are x[i] ~ NB(mean s[i] exp(design[i] @ beta), variance μ + α μ²), with
    size factors s. The coefficients maximize the likelihood; they are natural logarithms of ratios
    of means.

    Args:
        data: counts, rows are cells or samples: AnnData, a DataFrame, a SciPy sparse matrix or an
            array; whole numbers, however stored. Or `jaxnb.fit.CountStatistics`, which were added
            up over any number of cells with a group for every row of the design.
        design: a formula on the columns of ``obs``, ``"~ batch + condition"`` (formulaic), or a
            design matrix, a row per row of the counts; a DataFrame is put into the order of the
            rows by its labels.
        obs: annotations of the rows, such as covariates; None for ``data.obs`` of AnnData.
            With statistics, a line per group.
        layer: for AnnData, the layer that holds the counts, or ``"raw"``; None for ``X``.
        genes: names of the genes of statistics.
        size_factors: an array, one per row, or a Series with the labels of the rows, in any
            order; a column of ``obs``; or, if there is none of that name, ``"total"``,
            ``"median-ratio"``, ``"tmm"`` or ``"ones"``; None for median ratios if at least 100
            genes have counts in every row, totals otherwise
            (`jaxnb.glm.size_factors.size_factors_of`).
        dispersion: ``"ml"``, the joint maximum of the likelihood; ``"cox-reid"``, that of the
            Cox-Reid adjusted profile likelihood, which corrects for the coefficients estimated;
            ``"shrunken"``, that with a log-normal prior around a trend over the mean, learned
            from all genes; ``"auto"``, shrunken with fewer than 100 rows and at least 50 genes,
            Cox-Reid otherwise. The result says which.
        random: the donors that cells are from, a column of ``obs`` or an array, one entry per row.
            Their effects on the logarithm of the mean are N(0, random_sd²), integrated out, and
            the result is a `MixedFit`. ``dispersion="ml"`` maximizes the marginal likelihood, and
            ``"cox-reid"``, the default here, the adjusted profile likelihood of random_sd, which
            is what REML is for normal data.
        filter_low: learn priors from the genes alone that have enough counts
            (`jaxnb.glm.low_counts.enough_counts`, the rule of edgeR's filterByExpr), and adjust
            p-values for those alone. The others keep their p-value without an adjusted one.
        keep_outliers: with shrunken dispersions, do not look for outliers. By default a count that
            the other counts of its gene rule out (`jaxnb.glm.bulk.outliers`) is left out of the
            fit; `GLMFit.outliers` lists these counts, and tests take both fits into account. It is
            looked for with up to 500 rows.
        offsets: logarithms of factors of single counts, such as average lengths of transcripts, an
            array ``(rows, genes)`` or a DataFrame; size factors come on top of them, and are found
            from the counts over these factors.
        weights: an array, one per row or one per row and gene, or a Series or DataFrame: what the
            log-likelihoods are multiplied with. A row of weight 2 counts like two rows; 0 leaves a
            count out. Size factors and the filter do not look at them.
        allow_non_integer: accept estimated counts, such as those of salmon and RSEM. The
            log-likelihood of a count is linear between whole numbers.
        progress: show progress bars if stderr is a terminal.

    Returns:
        A `GLMFit`, or a `MixedFit` with ``random``, with estimates as pandas objects and tests.

    Warns:
        UserWarning: a column of ``obs`` that is named like donors shows that rows are not
            replicates (see `pseudobulk`); whole numbers of few distinct values are taken as
            numbers; levels differ in blanks or capitals alone; or few genes decide size factors or
            the prior; or no gene has enough counts for ``filter_low``.

    Raises:
        TypeError: an argument of the wrong kind.
        ValueError: counts that are not whole, finite and non-negative; a formula, a design, size
            factors or a choice of dispersion that do not fit the data. The message says what to do.

    Accuracy: against fits at 40 digits, log-likelihoods are within 1e-8, coefficients within 1e-9
    and dispersions within a relative 1e-8 (``tests/glm/test_reference.py``).

    References:
        A. C. Cameron and P. K. Trivedi (2013), *Regression Analysis of Count Data*, chapter 3.
    """
    if isinstance(data, CountStatistics):
        if layer is not None or size_factors is not None or filter_low:
            raise TypeError(
                "layer, size_factors and filter_low are for counts; statistics have their own size "
                "factors, and not the counts of a row"
            )
        if offsets is not None or weights is not None:
            raise TypeError("offsets and weights are for counts; statistics are sums over cells")
        source = source_of_statistics(data, obs, genes)
        matrix = design_of(design, source.obs, rows=source.rows)
        factors, how, enough = None, "of the statistics", None
    else:
        counts = count_data(data, layer=layer, obs=obs, allow_non_integer=allow_non_integer)
        if genes is not None:
            raise TypeError("genes names those of statistics; counts name their own")
        matrix = design_of(design, counts.obs)
        if random is None:
            warn_of_pseudoreplication(matrix, counts.obs)
        logs = offsets_of(offsets, counts)
        values, how = size_factors_of(without_offsets(counts, logs), size_factors)
        factors = pd.Series(values, counts.obs.index, name="size_factor")
        of_counts = weights_of(weights, counts, matrix.matrix)
        source = source_of_counts(counts, values, logs, of_counts)
        enough = enough_counts(counts.matrix, matrix.matrix, values) if filter_low else None
        if enough is not None and not enough.any():
            warn(
                f"no gene has enough counts in {rows_needed(matrix.matrix):.3g} rows: priors are "
                "learned from all genes, and p-values adjusted for all"
            )
            enough = None
    if random is not None:
        if offsets is not None or weights is not None:
            raise TypeError("offsets and weights do not go with random=…")
        return fit_with_donors(
            source,
            matrix,
            random,
            dispersion=dispersion,
            size_factors=factors,
            size_factors_from=how,
            enough=enough,
            progress=progress,
        )
    return fitted(
        source,
        matrix,
        dispersion=dispersion,
        size_factors=factors,
        size_factors_from=how,
        enough=enough,
        keep_outliers=keep_outliers,
        progress=progress,
    )


def fitted(
    source: Source,
    matrix: Design,
    *,
    dispersion: str,
    size_factors: pd.Series | None,
    size_factors_from: str,
    enough: NDArray[np.bool_] | None = None,
    keep_outliers: bool = False,
    progress: bool = False,
) -> GLMFit:
    """The regression of a source on a design that fits it; `fit` documents the other arguments.

    Raises:
        ValueError: an unknown choice of dispersion.
    """
    if dispersion not in ("auto", *DISPERSIONS):
        raise ValueError(
            f"dispersion={dispersion!r} is none of 'auto', {', '.join(map(repr, DISPERSIONS))}"
        )
    learned_from = len(source.genes) if enough is None else int(enough.sum())
    if dispersion == "auto":
        dispersion = default_dispersion(source.rows, learned_from)
    if dispersion == "shrunken" and learned_from < _ENOUGH_GENES:
        warn(f"a prior of the dispersions learned from {learned_from} genes is uncertain")
    if dispersion == "shrunken" and source.counted is not None and source.rows <= _MOST_SAMPLES:
        found = estimates_of_samples(source, matrix.matrix, enough, keep_outliers=keep_outliers)
    else:
        found = estimates_of_any(source, matrix.matrix, enough, dispersion, progress=progress)
    alpha = found.alpha
    beta, log_likelihood, converged = found.whole or found.regression.fit_at(alpha)
    limits, separated = found.regression.limits()
    status = np.select(
        [source.empty, ~converged, separated, found.at_limit, alpha == 0],
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
        source=found.source,
        design=matrix,
        size_factors=size_factors,
        size_factors_from=size_factors_from,
        dispersion_method=dispersion,
        prior=found.prior,
        regression=found.regression,
        own=found.own,
        flagged=found.flagged,
        enough_counts=enough,
        alpha=alpha,
        beta=beta,
        limits=limits,
        log_likelihoods=np.where(source.empty, 0.0, log_likelihood),
        codes=status,
    )


def default_dispersion(rows: int, genes: int) -> str:
    """What ``dispersion="auto"`` is: a prior where rows are few and genes enough to learn it."""
    return "shrunken" if rows < _FEW_ROWS and genes >= _ENOUGH_GENES else "cox-reid"
