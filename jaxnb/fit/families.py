"""The maximum of each family for a block of genes, and the status that says where it is."""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from jaxnb.fit.boundaries import towards_dispersion, towards_inflation
from jaxnb.fit.likelihood import Point
from jaxnb.fit.result import FitStatus
from jaxnb.fit.search import (
    Bools,
    Candidate,
    Floats,
    better,
    climb,
    poisson,
    scan,
    values,
)
from jaxnb.fit.sums import Sums

__all__ = ["Maximum", "negative_binomial", "poisson_maximum", "zero_inflated"]

Ints: TypeAlias = NDArray[np.int64]

# log θ, from where counts to 2³¹ are all but Poisson to where one cell in 10⁷ has all the counts.
# The profile in log θ is smooth on the scale of log θ itself.
_LOG_THETAS = np.arange(24.0, -18.0, -1.25)
# Shares of the observed zeros that are structural, and how much larger log θ is than in the NB:
# the more inflation, the less dispersion is left.
_SHARES = (1e-3, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9)
_LESS_DISPERSION = (0.0, 0.3, 1.0, 2.0, 3.5)
_LARGEST_START = np.log(10.0)
# Small departures from the boundaries.
_INFLATIONS = (1e-6, 1e-4, 1e-3, 0.01, 0.1)
_LOG_THETAS_NEAR_POISSON = np.log([1e6, 1e4, 1000.0, 100.0, 10.0])


class Maximum(NamedTuple):
    """The best candidate of a family, and its status."""

    best: Candidate
    status: Ints


def poisson_maximum(sums: Sums) -> Maximum:
    """The Poisson distribution itself."""
    best = poisson(sums)
    return Maximum(best, np.full(best.gain.size, int(FitStatus.POISSON)))


def negative_binomial(sums: Sums, *, max_iter: int) -> Maximum:
    """Climb from the highest local maxima of a scan in θ; compare with the Poisson boundary."""
    simple = poisson(sums)
    rises = towards_dispersion(simple.point, sums, inflated=False) > 0
    found, means = scan(_LOG_THETAS, sums)
    peaks = _local_maxima(found)
    counted = np.asarray(sums.total) > 0
    rich = None
    for rank in range(2):
        at = np.argmax(np.where(peaks, found, -np.inf), axis=1)
        rows = np.arange(at.size)
        active = counted & peaks[rows, at]
        if rank == 0:
            # Where the likelihood rises from θ = ∞ there is a maximum: if the scan stepped over
            # it, it lies beyond the first θ.
            beyond = rises & ~np.any(peaks, axis=1)
            at, active = np.where(beyond, 0, at), active | (counted & beyond)
        elif not np.any(active):
            break
        start = Point(means[rows, at], _LOG_THETAS[at], np.full(at.size, -np.inf))
        end = climb(start, active, sums, inflated=False, max_iter=max_iter)
        rich = end if rich is None else _higher(end, rich)
        peaks[rows, at] = False
    assert rich is not None
    dispersed = better(simple, rises, rich)
    lost = rises | (~rich.converged & (rich.gain > rich.noise))
    status = np.select(
        [dispersed, lost], [FitStatus.CONVERGED, FitStatus.NOT_CONVERGED], FitStatus.POISSON
    )
    return Maximum(rich.where(dispersed, simple._replace(n_iter=rich.n_iter)), status)


def zero_inflated(plain: Maximum, sums: Sums, rough: Sums, *, max_iter: int) -> Maximum:
    """Compare the NB's maximum with that of the zero-inflated Poisson and those inside.

    Args:
        plain: the NB's.
        sums: of the genes.
        rough: the same on fewer nodes, from which starts are chosen.
        max_iter: Newton steps of one climb.
    """
    simple = plain.best
    zeros = np.asarray(sums.zero_weights).sum(axis=(1, 2)) / sums.cells
    can_inflate = (np.asarray(sums.total) > 0) & (zeros * sums.cells > 0.5)
    without_dispersion = _zero_inflated_poisson(sums, rough, zeros, can_inflate, max_iter)

    inflation_rises = towards_inflation(simple.point, sums) > 0
    at_poisson = np.isinf(simple.point.log_theta)
    inflated = better(simple, inflation_rises & at_poisson, without_dispersion)
    incumbent = without_dispersion.where(inflated, simple)
    dispersion_rises = towards_dispersion(incumbent.point, sums, inflated=True) > 0
    rises = np.where(inflated, dispersion_rises, inflation_rises)

    rich = None
    for starts in _inside(simple, without_dispersion, zeros):
        start, height = _highest(starts, rough)
        active = can_inflate & (rises | (height > incumbent.gain))
        end = climb(start, active, sums, inflated=True, max_iter=max_iter)
        rich = end if rich is None else _higher(end, rich)
    assert rich is not None
    interior = better(incumbent, rises, rich)
    status = np.select(
        [
            interior,
            rises | (~rich.converged & (rich.gain > incumbent.gain + rich.noise)),
            inflated,
            plain.status == FitStatus.CONVERGED,
            plain.status == FitStatus.POISSON,
        ],
        [
            FitStatus.CONVERGED,
            FitStatus.NOT_CONVERGED,
            FitStatus.POISSON,
            FitStatus.NO_INFLATION,
            FitStatus.POISSON_NO_INFLATION,
        ],
        plain.status,
    )
    n_iter = simple.n_iter + without_dispersion.n_iter + rich.n_iter
    return Maximum(rich.where(interior, incumbent)._replace(n_iter=n_iter), status)


def _zero_inflated_poisson(
    sums: Sums, rough: Sums, zeros: Floats, can_inflate: Bools, max_iter: int
) -> Candidate:
    simple = poisson(sums).point
    starts = _with_shares(simple, zeros, (*_INFLATIONS, *_SHARES[3:]))
    start, height = _highest(starts, rough)
    rises = towards_inflation(simple, sums) > 0
    active = can_inflate & (rises | (height > 0))
    return climb(start, active, sums, inflated=True, max_iter=max_iter)


def _inside(simple: Candidate, without_dispersion: Candidate, zeros: Floats) -> list[Point]:
    """Starts with little and with much inflation, each of shape ``(genes, starts)``."""
    finite = np.minimum(simple.point.log_theta, _LOG_THETAS_NEAR_POISSON[0])
    little = [_with_shares(simple.point._replace(log_theta=finite), zeros, _INFLATIONS)]
    much = []
    bounded = np.minimum(simple.point.log_theta, _LARGEST_START)
    for less in _LESS_DISPERSION:
        grid = _with_shares(simple.point._replace(log_theta=bounded + less), zeros, _SHARES)
        little.append(Point(*(entry[:, :3] for entry in grid)))
        much.append(Point(*(entry[:, 3:] for entry in grid)))
    for log_theta in _LOG_THETAS_NEAR_POISSON:
        near = without_dispersion.point._replace(log_theta=np.full_like(finite, log_theta))
        much.append(Point(*(entry[:, None] for entry in near)))
    return [
        Point(*(np.concatenate(entries, axis=1) for entries in zip(*points, strict=True)))
        for points in (little, much)
    ]


def _local_maxima(heights: Floats) -> Bools:
    """Heights in the order of falling θ; before the first is the Poisson boundary, at 0."""
    before = np.concatenate([np.zeros((len(heights), 1)), heights[:, :-1]], axis=1)
    after = np.concatenate([heights[:, 1:], np.full((len(heights), 1), -np.inf)], axis=1)
    peaks: Bools = (heights > before) & (heights >= after)
    return peaks


def _with_shares(point: Point, zeros: Floats, shares: tuple[float, ...]) -> Point:
    """Points ``(genes, shares)`` that give shares of the zeros to inflation, at the same mean."""
    inflation = np.clip(np.multiply.outer(zeros, shares), 1e-12, 0.9999)

    def copies(entry: Floats) -> Floats:
        return np.broadcast_to(entry[:, None], inflation.shape)

    return Point(copies(point.log_overall_mean), copies(point.log_theta), logit(inflation))


def _highest(points: Point, sums: Sums) -> tuple[Point, Floats]:
    """The highest of the points of every gene, and its height."""
    heights = values(points, sums, inflated=True)
    at, rows = np.argmax(heights, axis=1), np.arange(len(heights))
    return Point(*(entry[rows, at] for entry in points)), heights[rows, at]


def _higher(one: Candidate, other: Candidate) -> Candidate:
    """The higher of two ends, converged ones first; the steps of both are counted."""
    first = one.converged & (~other.converged | (one.gain > other.gain))
    return one.where(first, other)._replace(n_iter=one.n_iter + other.n_iter)
