"""Zero-inflated negative binomial fits: one law per column."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from scipy.special import logit

from jaxnb._types import ArrayLike
from jaxnb.fit.assemble import fit_blocks, result_of
from jaxnb.fit.candidates import (
    Bools,
    Candidate,
    Floats,
    best_start,
    better,
    climb,
    poisson,
    scores,
)
from jaxnb.fit.columns import Block, Columns
from jaxnb.fit.negative_binomial import fit_nb
from jaxnb.fit.result import FitResult, FitStatus, StandardErrors

__all__ = ["fit_zinb"]

# Starts: a structural share of the observed zeros, and the less dispersion is left to the count
# law, the larger the share. The likelihood has a long curved ridge along which one pays for the
# other: a start near its top saves most of the steps.
_SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
_LESS_DISPERSION = (1.3, 3.0, 10.0)
# Small departures from the laws without inflation or without dispersion.
_INFLATIONS = (1e-3, 1e-2, 0.1)
_DISPERSIONS = (1000.0, 100.0)


def fit_zinb(
    counts: Any,
    size_factors: ArrayLike | None = None,
    *,
    nb: FitResult | None = None,
    max_iter: int = 100,
    progress: bool = False,
) -> FitResult:
    """Fit x[i, j] ~ ZINB(size_factors[i] · mean[j], theta[j], zi_logits[j]) to every column j.

    The family has two boundaries, no inflation (zi_logits = -inf: an NB law) and the Poisson law
    with inflation (theta = inf). The maximum on each is found first, then the interior is climbed
    by Newton steps in (log mean, log theta, zi_logits) from the likeliest of a dozen starts. A
    boundary is the answer where the log-likelihood does not rise from it into the interior (its
    derivatives in 1/theta and in the inflation probability, `jaxnb.fit.law.boundary_scores`) and
    no higher maximum is found there. The log-likelihood is thus never below that of the NB.

    Args:
        counts: as in `fit_nb`.
        size_factors: as in `fit_nb`.
        nb: the result of `fit_nb` for the same counts and size factors, if it is at hand.
        max_iter: as in `fit_nb`.
        progress: as in `fit_nb`.

    Returns:
        A `FitResult`. Where the status is NO_INFLATION or POISSON_NO_INFLATION, the estimates are
        those of the NB fit. ``mean`` is that of the count law; the expected count of a row with
        size factor 1 is ``(1 − σ(zi_logits)) · mean``.

    Raises:
        ValueError: as in `fit_nb`, or `nb` has another number of columns.

    Accuracy: in float64 no fit of the 765 bundled genes lies more than 1e-6 below the best that
    another formula and optimiser find from sixteen starts, and each boundary is theirs too
    (``tests/fit/test_against_scipy.py``). In float32 the statuses are the same, the
    log-likelihoods within 1e-3, and the estimates within 2e-4 standard errors for 99 % of genes;
    where inflation and dispersion can hardly be told apart, within 0.2.

    References:
        D. Lambert (1992), *Zero-inflated Poisson regression, with an application to defects in
        manufacturing*, Technometrics 34, 1–14.
    """
    columns = Columns(counts, size_factors)
    if nb is None:
        nb = fit_nb(counts, size_factors, max_iter=max_iter, progress=progress)
    if nb.mean.shape != (columns.count,):
        raise ValueError(f"nb has {nb.mean.size} columns, the counts have {columns.count}")
    fit_block = partial(_fit_block, nb=nb, max_iter=max_iter)
    return fit_blocks(fit_block, columns, progress=progress, title="ZINB")


def _fit_block(block: Block, *, nb: FitResult, max_iter: int) -> FitResult:
    x = np.asarray(block.x)
    zeros = np.mean(x == 0, axis=1)
    can_inflate = block.occurs & (zeros > 0)
    plain, plain_status = _plain_law(nb, block)
    without_dispersion = _zero_inflated_poisson(block, zeros, can_inflate, max_iter)

    towards_inflation = scores(plain.point, block)[1] > 0
    at_poisson = np.isinf(plain.point[:, 1])
    inflated = better(plain, towards_inflation & at_poisson, without_dispersion)
    incumbent = without_dispersion.where(inflated, plain)
    towards_dispersion = scores(incumbent.point, block)[0] > 0
    rises = np.where(inflated, towards_dispersion, towards_inflation)

    start, likelihood = best_start(
        [*_interior_starts(plain, zeros), *_nearby_starts(plain, without_dispersion, zeros)], block
    )
    active = can_inflate & (rises | (likelihood > incumbent.log_likelihood))
    rich = climb(start, active, block, max_iter=max_iter)
    interior = better(incumbent, rises, rich)

    status = np.select(
        [interior, rises | (active & ~rich.converged), inflated],
        [FitStatus.CONVERGED, FitStatus.NOT_CONVERGED, FitStatus.POISSON],
        plain_status,
    )
    best = rich.where(interior, incumbent)
    n_iter = plain.n_iter + without_dispersion.n_iter + rich.n_iter
    return _keep_errors_of(nb, block, ~interior & ~inflated, result_of(best, status, n_iter))


def _plain_law(nb: FitResult, block: Block) -> tuple[Candidate, np.ndarray]:
    """The NB fit as a candidate of this family, and its status there."""
    mean, theta, likelihood, n_iter, status = (
        _padded(entry, block)
        for entry in (nb.mean, nb.theta, nb.log_likelihood, nb.n_iter, nb.status)
    )
    tiny = np.finfo(mean.dtype).tiny
    log_mean, log_theta = np.log(np.maximum(mean, tiny)), np.log(np.maximum(theta, tiny))
    point = np.stack([log_mean, log_theta, np.full_like(mean, -np.inf)], axis=1)
    unused = np.zeros((*mean.shape, 3, 3), mean.dtype)
    converged = status != FitStatus.NOT_CONVERGED
    plain_status = np.select(
        [status == FitStatus.CONVERGED, status == FitStatus.POISSON],
        [FitStatus.NO_INFLATION, FitStatus.POISSON_NO_INFLATION],
        status,
    )
    return Candidate(point, likelihood, unused, n_iter, converged), plain_status


def _zero_inflated_poisson(
    block: Block, zeros: Floats, can_inflate: Bools, max_iter: int
) -> Candidate:
    simple = poisson(block)
    start, likelihood = best_start(_share_starts(simple.point, zeros, _SHARES), block)
    rises = scores(simple.point, block)[1] > 0
    active = can_inflate & (rises | (likelihood > simple.log_likelihood))
    return climb(start, active, block, max_iter=max_iter)


def _interior_starts(plain: Candidate, zeros: Floats) -> Iterator[Floats]:
    for factor in _LESS_DISPERSION:
        point = plain.point.copy()
        point[:, 1] = np.minimum(point[:, 1], np.log(10)) + np.log(factor)
        yield from _share_starts(point, zeros, _SHARES)


def _nearby_starts(plain: Candidate, inflated: Candidate, zeros: Floats) -> Iterator[Floats]:
    """Points just inside the two boundaries."""
    yield from _share_starts(plain.point, zeros, _INFLATIONS)
    for theta in _DISPERSIONS:
        point = inflated.point.copy()
        point[:, 1] = np.log(theta)
        yield point


def _share_starts(point: Floats, zeros: Floats, shares: tuple[float, ...]) -> list[Floats]:
    """Give shares of the observed zeros to inflation, and keep the overall mean."""
    starts = []
    for share in shares:
        inflation = np.clip(share * zeros, 1e-6, 0.999)
        start = point.copy()
        start[:, 2] = logit(inflation)
        starts.append(start)
    return starts


def _keep_errors_of(nb: FitResult, block: Block, keep: Bools, result: FitResult) -> FitResult:
    """Without inflation, the standard errors are those of the NB fit."""
    errors = (
        np.where(keep, _padded(known, block), own)
        for known, own in zip(nb.standard_errors, result.standard_errors, strict=True)
    )
    return result._replace(standard_errors=StandardErrors(*errors))


def _padded(entry: np.ndarray, block: Block) -> np.ndarray:
    part = entry[block.columns]
    return np.pad(part, (0, block.x.shape[0] - part.size), mode="edge")
