"""Tests of contrasts and smaller designs with donors."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from jaxnb._warnings import warn
from jaxnb.data.adjusted import q_values
from jaxnb.glm.contrasts import contrast_of, reduced_matrix
from jaxnb.glm.design import Design, design_of
from jaxnb.glm.mixed.common import common_scales
from jaxnb.glm.mixed.data import DonorData
from jaxnb.glm.mixed.donors import Donors
from jaxnb.glm.mixed.fit import Estimates, MixedRegression
from jaxnb.glm.mixed.moderation import Moderated, Variances, moderated, variances_of
from jaxnb.glm.mixed.problem import MixedProblem, Point
from jaxnb.glm.mixed.scores import fit_at_scales
from jaxnb.glm.pseudo_cells import distinct_rows
from jaxnb.glm.source import Source
from jaxnb.glm.status import GLMStatus
from jaxnb.glm.testing import LOW_COUNTS

__all__ = ["MIXED_METHODS", "f_statistic", "run_mixed_test"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

MIXED_METHODS = ("moderated", "sandwich", "wald", "lr", "lr-f")
# The prior of the variances needs genes to be learned from.
_ENOUGH_GENES = 50
# Genes that the common standard deviations are learned from.
_MOST_LEARNED_FROM = 200


class Fitted(Protocol):
    """What a test needs of a `MixedFit`."""

    source: Source
    design: Design
    donors: Donors
    dispersion_method: str
    regression: MixedRegression
    estimates: Estimates
    enough_counts: NDArray[np.bool_] | None


class _Outcome(NamedTuple):
    """Of every gene; the natural fold change and its standard error if they are not the fit's."""

    statistic: Floats
    p_value: Floats
    change: Floats | None = None
    se: Floats | None = None
    facts: Mapping[str, float] = MappingProxyType({})


def run_mixed_test(
    fit: Fitted,
    name: str | None,
    level: Any,
    base: Any,
    *,
    contrast: Any,
    reduced: Any,
    method: str,
) -> pd.DataFrame:
    """The test behind `MixedFit.test`, which documents it."""
    if method not in ("auto", *MIXED_METHODS):
        raise ValueError(
            f"method={method!r} is none of 'auto', {', '.join(map(repr, MIXED_METHODS))}"
        )
    if reduced is not None:
        if name is not None or contrast is not None:
            raise ValueError("test either a name or contrast, or a reduced design, not both")
        smaller = _nested(fit, reduced)
        within = _differs_within(fit, _left_out(fit.design.matrix, smaller.matrix))
        method = ("lr" if within else "lr-f") if method == "auto" else method
        if method not in ("lr", "lr-f"):
            raise ValueError(f"method={method!r} is for one contrast: use method='lr' or 'lr-f'")
        degrees = fit.design.matrix.shape[1] - smaller.matrix.shape[1]
        outcome = _likelihood_ratio(fit, smaller.matrix, degrees, method, within=within)
        return _table(fit, None, outcome, f"reduced design {reduced!r}", method)
    asked = contrast_of(fit.design, name, level, base, contrast)
    vector = asked.vector
    within = _differs_within(fit, fit.design.matrix[:, vector != 0])
    if method == "auto":
        method = _default(fit, within=within)
    if method in ("moderated", "sandwich"):
        outcome = _by_scores(fit, vector, within=within, moderate=method == "moderated")
    elif method == "wald":
        covariance = fit.estimates.covariance
        se = np.sqrt(np.maximum(np.einsum("p,gpq,q->g", vector, covariance, vector), 0))
        change = fit.estimates.point.beta @ vector
        statistic = change / np.where(se > 0, se, np.nan)
        outcome = _Outcome(statistic, 2 * stats.norm.sf(np.abs(statistic)), change, se)
    else:
        smaller_matrix = reduced_matrix(fit.design, vector)
        outcome = _likelihood_ratio(fit, smaller_matrix, 1, method, within=within)
    return _table(fit, vector, outcome, asked.words, method)


def _default(fit: Fitted, *, within: bool) -> str:
    usable = int(_usable(fit).sum())
    if usable >= _ENOUGH_GENES:
        return "moderated"
    other = "sandwich" if within else "lr-f"
    warn(
        f"{usable} genes are too few to moderate the variances of the donors' scores, which needs "
        f"{_ENOUGH_GENES}: method={other!r} is used, with less power"
    )
    return other


def _usable(fit: Fitted) -> NDArray[np.bool_]:
    """Genes that say something about variances."""
    wrong = [GLMStatus.ALL_ZEROS, GLMStatus.NOT_CONVERGED, GLMStatus.SEPARATED]
    usable: NDArray[np.bool_] = ~np.isin(fit.estimates.codes, wrong)
    return usable if fit.enough_counts is None else usable & fit.enough_counts


def _differs_within(fit: Fitted, columns: Floats) -> bool:
    """Whether any of the columns has different values for rows of one donor."""
    rows, _ = distinct_rows(np.column_stack([fit.donors.codes, columns]))
    return len(rows) > len(fit.donors.labels)


def _left_out(full: Floats, smaller: Floats) -> Floats:
    """What of the columns of a design is not in those of a smaller one."""
    rest = full - smaller @ np.linalg.lstsq(smaller, full, rcond=None)[0]
    rest /= np.abs(full).max(axis=0)
    return np.round(rest[:, np.abs(rest).max(axis=0) > 1e-9], 9)


def _nested(fit: Fitted, reduced: Any) -> Design:
    smaller = design_of(reduced, fit.source.obs, rows=None)
    full = fit.design.matrix
    both = np.hstack([full, smaller.matrix])
    if np.linalg.matrix_rank(both / np.linalg.norm(both, axis=0)) > full.shape[1]:
        raise ValueError(
            f"the reduced design ({', '.join(smaller.columns)}) is not nested in the design "
            f"({', '.join(fit.design.columns)}): it has terms that the design lacks"
        )
    if full.shape[1] == smaller.matrix.shape[1]:
        raise ValueError("the reduced design has the same means as the design: nothing to test")
    return smaller


def _likelihood_ratio(
    fit: Fitted, smaller: Floats, degrees: int, method: str, *, within: bool
) -> _Outcome:
    """Both models at their maximum; χ², or mapped to F as for normal means of the donors.

    There the ratio is D log(1 + k F / (D - p)) with D donors, p coefficients and k of them tested.
    """
    if smaller.shape[1] == 0:
        raise ValueError("without its only coefficient the design is empty: use another method")
    if method == "lr-f" and within:
        raise ValueError(
            "method='lr-f' is for contrasts that are constant within donors: use 'moderated', "
            "'sandwich' or 'lr'"
        )
    full = fit.estimates
    if fit.dispersion_method != "ml":
        full = fit.regression.fit(restricted=False)
    null = fit.regression.reduced(smaller).fit(restricted=False)
    ratio = np.maximum(2 * (full.log_likelihood - null.log_likelihood), 0)
    if method == "lr":
        return _Outcome(ratio, stats.chi2.sf(ratio, degrees))
    rest = fit.donors.degrees
    statistic = f_statistic(ratio, len(fit.donors.labels), degrees, rest)
    return _Outcome(statistic, stats.f.sf(statistic, degrees, rest))


def f_statistic(ratio: Floats, donors: int, degrees: int, rest: int) -> Floats:
    """F of a likelihood ratio, exact for a linear regression on one normal mean per donor."""
    return np.expm1(ratio / donors) * rest / degrees


def _by_scores(fit: Fitted, vector: Floats, *, within: bool, moderate: bool) -> _Outcome:
    """t at common standard deviations with the variance of the donors' scores."""
    point, mean = fit.regression.inner(fit.estimates.point), fit.source.mean
    inner = fit.regression.basis.contrasts(vector)
    usable = np.flatnonzero(_usable(fit))
    order = usable[np.argsort(mean[usable], kind="stable")]
    chosen = np.sort(order[:: max(1, order.size // _MOST_LEARNED_FROM)])
    parts: list[tuple[MixedProblem, Ints, Point]] = []
    slope, unit = np.zeros((1, 1)), 1.0
    direction = fit.regression.basis.inner(vector / (vector @ vector))
    for genes, problem in fit.regression.problems():
        slope, unit = _slope(problem.data, direction)
        mine = chosen[(chosen >= genes.start) & (chosen < genes.stop)]
        if mine.size:
            parts.append((problem, mine - genes.start, point.take(mine)))
    if not parts:
        nothing = np.full(mean.size, np.nan)
        return _Outcome(nothing, nothing, nothing, nothing)
    scales = common_scales(parts, slope, within=within)
    changes, found = [], []
    for genes, problem in fit.regression.problems("tests"):
        mine = np.arange(genes.start, genes.stop)
        at = point.take(mine)
        everyone = np.arange(mine.size)
        here = fit_at_scales(problem, everyone, at.alpha, at.beta, scales)
        changes.append(np.where(here.converged, here.beta @ inner, np.nan))
        found.append(variances_of(here, inner, within=within, most_degrees=fit.donors.degrees))
    joined = Variances(*(np.concatenate(entries) for entries in zip(*found, strict=True)))
    change = np.concatenate(changes)
    if moderate:
        ratio = moderated(joined, mean, _usable(fit))
    else:
        ratio = Moderated(joined.ratio, joined.degrees, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt(joined.model * ratio.ratio)
        statistic = change / np.where(se > 0, se, np.nan)
    tau, prior_degrees = scales.tau / unit, ratio.prior_degrees
    facts = {"sigma": scales.sigma, "tau": tau, "prior_degrees": prior_degrees}
    return _Outcome(statistic, 2 * stats.t.sf(np.abs(statistic), ratio.degrees), change, se, facts)


def _slope(data: DonorData, direction: Floats) -> tuple[Floats, float]:
    """What a donor's own change of the contrast adds to its rows' linear predictors.

    Args:
        data: the rows of all donors.
        direction: of the coefficients, along which the contrast grows by 1.

    Returns:
        Centered, in units that make those of a covariate irrelevant, and this unit: twice the mean
        square over the mean size, which is the difference where there are two values.
    """
    slope: Floats = data.design @ direction
    weights = data.cell_weights.sum(axis=2)
    slope -= float(np.sum(slope * weights) / np.sum(weights))
    size = float(np.sum(np.abs(slope) * weights))
    unit = 2 * float(np.sum(slope**2 * weights)) / size if size else 1.0
    return slope / unit, unit


def _table(
    fit: Fitted, vector: Floats | None, outcome: _Outcome, words: str, method: str
) -> pd.DataFrame:
    estimates = fit.estimates
    empty = estimates.codes == GLMStatus.ALL_ZEROS
    labels = np.array([status.label for status in GLMStatus], object)
    status = labels[estimates.codes]
    columns: dict[str, Any] = {"mean": fit.source.mean}
    p_value = np.where(empty, np.nan, outcome.p_value)
    if vector is not None:
        limit = fit.regression.limits_of(vector)
        finite = limit == 0
        change, se = outcome.change, outcome.se
        if change is None or se is None:
            change = estimates.point.beta @ vector
            variance = np.einsum("p,gpq,q->g", vector, estimates.covariance, vector)
            se = np.sqrt(np.maximum(variance, 0))
        elif not finite.all():
            p_value = np.where(finite, p_value, np.nan)
        fold = np.where(finite, change / np.log(2), limit)
        columns["log2_fold_change"] = np.where(empty, np.nan, fold)
        columns["se"] = np.where(finite & ~empty, se / np.log(2), np.nan)
    adjusted_for = p_value
    if fit.enough_counts is not None:
        adjusted_for = np.where(fit.enough_counts, p_value, np.nan)
        status = np.where(fit.enough_counts | empty, status, LOW_COUNTS)
    columns |= {
        "statistic": np.where(np.isnan(p_value), np.nan, outcome.statistic),
        "p_value": p_value,
        "p_adjusted": q_values(adjusted_for),
        "dispersion": np.where(empty, np.nan, estimates.point.alpha),
        "random_sd": np.where(empty, np.nan, estimates.point.sigma),
        "status": status,
    }
    table = pd.DataFrame(columns, index=fit.source.genes)
    table.attrs = {
        "tested": words,
        "method": method,
        "dispersion": fit.dispersion_method,
        **outcome.facts,
    }
    return table
