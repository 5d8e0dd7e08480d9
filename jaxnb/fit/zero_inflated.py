"""Zero-inflated negative binomial fits: one distribution per column."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxnb._types import ArrayLike
from jaxnb.fit.assemble import fit_blocks
from jaxnb.fit.columns import Block, Columns
from jaxnb.fit.families import Maximum, zero_inflated
from jaxnb.fit.inputs import columns_of
from jaxnb.fit.likelihood import Point
from jaxnb.fit.negative_binomial import nb_of_columns
from jaxnb.fit.result import FitResult, FitStatus, StandardErrors
from jaxnb.fit.search import Bools, Candidate, values

__all__ = ["fit_zinb"]


def fit_zinb(
    counts: Any,
    size_factors: ArrayLike | str | None = None,
    *,
    layer: str | None = None,
    use_raw: bool = False,
    nb: FitResult | None = None,
    max_iter: int = 500,
    progress: bool = False,
) -> FitResult:
    """Fit x[i, j] ~ ZINB(size_factors[i] · mean[j], theta[j], zi_logits[j]) to every column j.

    The family has two boundaries, no inflation (zi_logits = -inf: an NB) and the Poisson
    distribution with inflation (theta = inf). The maximum on each is found first, then the interior
    is climbed by Newton steps in (log overall mean, log theta, zi_logits) from two starts, the
    highest points with little and with much inflation on a grid around the NB fit. A boundary is
    the answer where the log-likelihood does not rise from it into the interior (its derivatives in
    1/theta and in the inflation probability, `jaxnb.fit.boundaries`) and no higher
    maximum is found there. The log-likelihood is thus never below that of the NB.

    Args:
        counts: as in `fit_nb`; a `CountStatistics` must be made with ``zero_inflation=True``.
        size_factors: as in `fit_nb`.
        layer: as in `fit_nb`.
        use_raw: as in `fit_nb`.
        nb: the result of `fit_nb` for the same counts and size factors, if it is known already.
        max_iter: as in `fit_nb`.
        progress: as in `fit_nb`.

    Returns:
        A `FitResult`. Where the status is NO_INFLATION or POISSON_NO_INFLATION, the estimates are
        those of the NB fit. ``mean`` is that of the counts that are not structural zeros; the
        expected count of a row with size factor 1 is ``(1 − σ(zi_logits)) · mean``.

    Raises:
        ValueError: as in `fit_nb`, or `nb` has another number of columns.

    Accuracy: no fit of the 765 bundled genes lies more than 1e-6 below the best that another
    formula and optimizer find from sixteen starts, and each boundary is theirs too
    (``tests/fit/test_against_scipy.py``).

    References:
        D. Lambert (1992), *Zero-inflated Poisson regression, with an application to defects in
        manufacturing*, Technometrics 34, 1–14.
    """
    columns = columns_of(counts, size_factors, layer=layer, use_raw=use_raw, zero_inflation=True)
    if nb is None:
        nb = nb_of_columns(columns, max_iter=max_iter, progress=progress)
    if nb.mean.shape != (columns.count,):
        raise ValueError(f"nb has {nb.mean.size} columns, the counts have {columns.count}")
    return zinb_of_columns(columns, nb, max_iter=max_iter, progress=progress)


def zinb_of_columns(columns: Columns, nb: FitResult, *, max_iter: int, progress: bool) -> FitResult:
    """`fit_zinb` for checked counts and their NB fit."""

    def maximum_of(block: Block) -> Maximum:
        plain = _plain(nb, block)
        return zero_inflated(plain, block.sums, block.rough, max_iter=max_iter)

    result = fit_blocks(maximum_of, columns, inflated=True, progress=progress, title="ZINB")
    return _keep_the_plain_fit(nb, result)


def _plain(nb: FitResult, block: Block) -> Maximum:
    """The NB fit as a member of this family."""
    genes = block.genes
    mean, theta = nb.mean[genes], nb.theta[genes]
    tiny = np.finfo(np.float64).tiny
    mean = np.where(mean > 0, mean, np.exp(np.asarray(block.sums.poisson_log_mean)))
    log_theta = np.where(np.isinf(theta), np.inf, np.log(np.maximum(theta, tiny)))
    point = Point(np.log(mean), log_theta, np.full(genes.size, -np.inf))
    single = Point(*(entry[:, None] for entry in point))
    gain = values(single, block.sums, inflated=False)[:, 0]
    best = Candidate(
        point,
        gain,
        np.abs(gain),
        np.zeros((genes.size, 3, 3)),
        nb.n_iter[genes],
        nb.status[genes] != FitStatus.NOT_CONVERGED,
    )
    return Maximum(best, nb.status[genes].astype(np.int64))


def _keep_the_plain_fit(nb: FitResult, result: FitResult) -> FitResult:
    """Without inflation, the estimates and standard errors are those of the NB fit, to the bit."""
    plain: Bools = np.isneginf(result.zi_logits)
    kept = [
        np.where(plain, known, own)
        for known, own in zip(nb.standard_errors, result.standard_errors, strict=True)
    ]
    return result._replace(
        mean=np.where(plain, nb.mean, result.mean),
        theta=np.where(plain, nb.theta, result.theta),
        log_likelihood=np.where(plain, nb.log_likelihood, result.log_likelihood),
        standard_errors=StandardErrors(*kept),
    )
