"""From blocks of candidates to one result for the whole matrix."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from tqdm import tqdm

from jaxnb.fit.candidates import Bools, Candidate
from jaxnb.fit.columns import Block, Columns
from jaxnb.fit.result import FitResult, FitStatus, StandardErrors

__all__ = ["fit_blocks", "result_of"]

Entries: TypeAlias = NDArray[Any]
Ints: TypeAlias = NDArray[np.integer[Any]]


def fit_blocks(
    fit_block: Callable[[Block], FitResult], columns: Columns, *, progress: bool, title: str
) -> FitResult:
    """Fit block after block and join the results, behind a progress bar if wanted."""
    parts = []
    with tqdm(total=columns.count, desc=title, unit="column", disable=not progress) as bar:
        for block in columns.blocks():
            part = fit_block(block)
            parts.append(jax.tree.map(lambda entry, block=block: entry[block.occupied], part))
            bar.update(block.columns.stop - block.columns.start)
    return _without_zero_columns(_joined(parts), columns)


def result_of(best: Candidate, status: Ints, n_iter: Ints) -> FitResult:
    """The estimates of a block in the parameters of the law."""
    dtype = best.point.dtype
    log_overall_mean, log_theta, zi_logits = best.point.astype(np.float64).T
    return FitResult(
        mean=np.exp(log_overall_mean + np.logaddexp(0, zi_logits)).astype(dtype),
        theta=np.exp(log_theta).astype(dtype),
        zi_logits=zi_logits.astype(dtype),
        log_likelihood=best.log_likelihood,
        standard_errors=_standard_errors(best),
        n_iter=n_iter.astype(np.int32),
        status=status.astype(np.int8),
    )


def _standard_errors(best: Candidate) -> StandardErrors:
    """From the inverse of the information on the finite coordinates, NaN in the others."""
    free = np.isfinite(best.point)
    both_free = free[:, :, None] & free[:, None, :]
    information = np.where(both_free, best.information, np.eye(3)).astype(np.float64)
    usable = np.all(np.linalg.eigvalsh(information) > 0, axis=1)[:, None, None]
    inverse = np.linalg.inv(np.where(usable, information, np.eye(3)))
    covariance = np.where(usable & both_free, inverse, 0)
    # log(mean) = log(overall mean) + softplus(zi_logits): the delta method.
    jacobian = np.broadcast_to(np.eye(3), covariance.shape).copy()
    jacobian[:, 0, 2] = expit(best.point[:, 2])
    variances = np.einsum("nij,njk,nik->ni", jacobian, covariance, jacobian)
    errors = np.sqrt(np.where(usable[:, 0] & free, variances, np.nan))
    return StandardErrors(*errors.astype(best.point.dtype).T)


def _joined(parts: Sequence[FitResult]) -> FitResult:
    joined: FitResult = jax.tree.map(lambda *entries: np.concatenate(entries), *parts)
    return joined


def _without_zero_columns(result: FitResult, columns: Columns) -> FitResult:
    """Columns of zeros: the mean is 0, under the simplest law that gives them probability 1."""
    empty: Bools = columns.totals == 0

    def put(value: float, entry: Entries) -> Entries:
        return np.where(empty, entry.dtype.type(value), entry)

    return FitResult(
        mean=put(0, result.mean),
        theta=put(np.inf, result.theta),
        zi_logits=put(-np.inf, result.zi_logits),
        log_likelihood=put(0, result.log_likelihood),
        standard_errors=StandardErrors(*(put(np.nan, entry) for entry in result.standard_errors)),
        n_iter=put(0, result.n_iter),
        status=put(FitStatus.ALL_ZEROS, result.status),
    )
