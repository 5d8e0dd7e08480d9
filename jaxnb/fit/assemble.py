"""From the maxima of blocks of genes to one result for the whole matrix."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from jaxnb._progress import progress_bar
from jaxnb.fit.columns import Block, Columns
from jaxnb.fit.families import Maximum
from jaxnb.fit.result import FitResult, FitStatus, StandardErrors
from jaxnb.fit.search import Candidate
from jaxnb.fit.sums import Sums
from jaxnb.likelihoods import log_zinb_positive

__all__ = ["fit_blocks"]

Floats: TypeAlias = NDArray[np.float64]

# A log-likelihood that is added up from sums is off by about this much of their absolute values.
_ROUNDING = 2e-16
_WORTH_A_PASS = 2e-9
_ELEMENTS = 1 << 22


def fit_blocks(
    maximum_of: Callable[[Block], Maximum],
    columns: Columns,
    *,
    inflated: bool,
    progress: bool,
    title: str,
) -> FitResult:
    """Fit block after block, in float64 and behind a progress bar if wanted."""
    parts, genes, doubtful = [], [], []
    # The flag holds for this thread and this block only.
    with (
        jax.enable_x64(True),
        progress_bar(columns.count, title, "gene", progress=progress) as bar,
    ):
        for block in columns.blocks(inflated=inflated):
            found = maximum_of(block)
            parts.append(_result_of(found, block.sums))
            genes.append(block.genes)
            doubtful.append(_rounding(found.best, block.sums) > _WORTH_A_PASS)
            bar.update(block.genes.size)
        joined = jax.tree.map(lambda *entries: np.concatenate(entries), *parts)
        order = np.argsort(np.concatenate(genes))
        result = jax.tree.map(lambda entry: entry[order], joined)
        result = _without_zero_columns(result, columns)
        inexact = np.concatenate(doubtful)[order] & (columns.totals > 0)
        result = _with_exact_likelihoods(result, np.flatnonzero(inexact), columns)
        return result._replace(genes=columns.names)


def _result_of(found: Maximum, sums: Sums) -> FitResult:
    best = found.best
    return FitResult(
        mean=np.exp(best.point.log_overall_mean + np.logaddexp(0, best.point.zi_logits)),
        theta=np.exp(best.point.log_theta),
        zi_logits=best.point.zi_logits,
        log_likelihood=np.asarray(sums.poisson_log_likelihood) + best.gain,
        standard_errors=_standard_errors(best),
        n_iter=best.n_iter.astype(np.int32),
        status=found.status.astype(np.int8),
    )


def _standard_errors(best: Candidate) -> StandardErrors:
    """From the inverse of the information on the finite coordinates, NaN in the others."""
    free = np.isfinite(np.stack(best.point, axis=1))
    size = free.shape[1]
    both_free = free[:, :, None] & free[:, None, :]
    information = np.where(both_free, -best.hessian, np.eye(size))
    usable = np.all(np.linalg.eigvalsh(information) > 0, axis=1)[:, None, None]
    inverse = np.linalg.inv(np.where(usable, information, np.eye(size)))
    covariance = np.where(usable & both_free, inverse, 0)
    # log(mean) = log(overall mean) + softplus(zi_logits): the delta method.
    of_mean = np.zeros(size)
    of_mean[0] = 1
    to_mean = np.broadcast_to(of_mean, free.shape).copy()
    to_mean[:, -1] = expit(best.point.zi_logits)
    variances = np.diagonal(covariance, axis1=1, axis2=2).copy()
    variances[:, 0] = np.einsum("nj,njk,nk->n", to_mean, covariance, to_mean)
    errors = np.sqrt(np.where(usable[:, 0] & free, variances, np.nan))
    return StandardErrors(*errors.T)


def _rounding(best: Candidate, sums: Sums) -> Floats:
    total, log_mean = np.asarray(sums.total), np.asarray(sums.poisson_log_mean)
    constant = total * (np.abs(log_mean) + 1) + np.abs(sums.poisson_log_likelihood)
    spread: Floats = _ROUNDING * (best.scale + 2 * constant)
    return spread


def _without_zero_columns(result: FitResult, columns: Columns) -> FitResult:
    """Columns of zeros: mean 0, in the simplest distribution that gives them probability 1."""
    empty = columns.totals == 0

    def put(value: float, entry: NDArray[Any]) -> NDArray[Any]:
        return np.where(empty, entry.dtype.type(value), entry)

    return result._replace(
        mean=put(0, result.mean),
        theta=put(np.inf, result.theta),
        zi_logits=put(-np.inf, result.zi_logits),
        log_likelihood=put(0, result.log_likelihood),
        standard_errors=StandardErrors(*(put(np.nan, entry) for entry in result.standard_errors)),
        n_iter=put(0, result.n_iter),
        status=put(FitStatus.ALL_ZEROS, result.status),
    )


def _with_exact_likelihoods(
    result: FitResult, genes: NDArray[np.int64], columns: Columns
) -> FitResult:
    """For huge counts the sums cancel: add the likelihood up cell by cell, if there are cells."""
    if not columns.in_memory or not genes.size:
        return result
    likelihood = result.log_likelihood.copy()
    factors = columns.size_factors
    width = max(1, _ELEMENTS // factors.size)
    for start in range(0, genes.size, width):
        some = genes[start : start + width]
        mean, theta, zi_logits = (
            entry[some][:, None] for entry in (result.mean, result.theta, result.zi_logits)
        )
        # eps = 0: the mean is positive by construction, and a floor would bend the likelihood.
        terms = log_zinb_positive(columns.dense(some), factors * mean, theta, zi_logits, 0.0)
        likelihood[some] = np.asarray(terms).sum(axis=1)
    return result._replace(log_likelihood=likelihood)
