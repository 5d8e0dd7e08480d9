"""The public fits: one distribution per column."""

from __future__ import annotations

from typing import Any

from jaxnb._types import ArrayLike
from jaxnb.fit.assemble import fit_blocks
from jaxnb.fit.columns import Block, Columns
from jaxnb.fit.families import Maximum, negative_binomial, poisson_maximum
from jaxnb.fit.inputs import columns_of
from jaxnb.fit.result import FitResult

__all__ = ["fit_nb", "fit_poisson"]


def fit_nb(
    counts: Any,
    size_factors: ArrayLike | str | None = None,
    *,
    layer: str | None = None,
    use_raw: bool = False,
    max_iter: int = 500,
    progress: bool = False,
) -> FitResult:
    """Fit x[i, j] ~ NB(size_factors[i] · mean[j], theta[j]) to every column j.

    The Poisson distribution (theta = inf) is part of the family and is fitted in closed form. It is
    the answer where the derivative of the log-likelihood in 1/theta, ½Σ((x−μ)² − x), is not
    positive at its maximum and no higher maximum is found inside. The other
    columns are fitted by Newton's method in (log mean, log theta), from each local maximum of a
    scan over theta: the profile can have several maxima when the size factors differ.

    A column's likelihood needs only sums over the cells (`CountStatistics`), which are made in one
    pass: the fit itself takes no longer for more cells. Columns that are not whole numbers are
    fitted cell by cell.

    Args:
        counts: non-negative counts, cells in rows and genes in columns: a numpy or JAX array, a
            scipy sparse matrix, a DataFrame, an AnnData, a dask array (also as ``X`` of an
            AnnData; dask then reduces it), or a `CountStatistics` (without `size_factors`). They
            need not be integers (the distribution is extended by the Gamma function), but a
            warning says so: normalized data have no such distribution.
        size_factors: exposure of every row, shape ``(rows,)``, used as given, not rescaled, or a
            Series with the labels of the rows, in any order; the name of a column of
            ``counts.obs`` for an AnnData; or, if there is no column of that name, ``"ones"``,
            ``"total"``, the row totals over their mean, ``"median-ratio"`` or ``"tmm"``
            (`jaxnb.data.ratios`). None is the row totals over their mean. A row with size factor
            0, which must be a row without counts, is left out. Totals of few columns hold the
            counts that are to be explained, so that theta comes out too large: then give the
            totals over all genes.
        layer: of an AnnData, in place of its ``X``.
        use_raw: take the counts from the ``raw`` of an AnnData.
        max_iter: Newton steps per column and start before it is called not converged.
        progress: show a progress bar on stderr.

    Returns:
        A `FitResult` in float64, computed in float64 whatever ``jax_enable_x64`` is.
        ``mean[j]`` is the expected count where the size factor is 1, in the units of
        `size_factors`. zi_logits is -inf throughout.

    Raises:
        TypeError: `layer` or `use_raw` without an AnnData.
        ValueError: the counts are not a matrix, empty, negative or not finite; the size factors
            have another length, are negative or not finite, or are 0 for a row with counts; or
            there is one column and no size factors.

    Warns:
        UserWarning: counts that are not whole; size factors from few columns, or from totals of
            which one column makes up much.

    Accuracy: LYZ and COX7C of the bundled data and the mites of Bliss and Fisher agree with R to
    1e-8. Statistics and single cells give log-likelihoods of bundled genes within 1e-9 and
    log(theta) within 1e-7 standard errors (``tests/fit/test_values.py``).

    References:
        J. F. Lawless (1987), *Negative binomial and mixed Poisson regression*, Canadian Journal
        of Statistics 15, 209–225.
    """
    columns = columns_of(counts, size_factors, layer=layer, use_raw=use_raw)
    return nb_of_columns(columns, max_iter=max_iter, progress=progress)


def nb_of_columns(columns: Columns, *, max_iter: int, progress: bool) -> FitResult:
    """`fit_nb` for checked counts."""

    def maximum_of(block: Block) -> Maximum:
        return negative_binomial(block.sums, max_iter=max_iter)

    return fit_blocks(maximum_of, columns, inflated=False, progress=progress, title="NB")


def fit_poisson(
    counts: Any,
    size_factors: ArrayLike | str | None = None,
    *,
    layer: str | None = None,
    use_raw: bool = False,
) -> FitResult:
    """Fit x[i, j] ~ Poisson(size_factors[i] · mean[j]) to every column j, in closed form.

    The baseline for the other two: ``mean = Σx / Σ(size_factors)``. Arguments, errors and result
    are those of `fit_nb`; theta is inf and the status is POISSON throughout (or ALL_ZEROS).
    """
    columns = columns_of(counts, size_factors, layer=layer, use_raw=use_raw)

    def maximum_of(block: Block) -> Maximum:
        return poisson_maximum(block.sums)

    return fit_blocks(maximum_of, columns, inflated=False, progress=False, title="Poisson")
