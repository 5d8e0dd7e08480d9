"""Tests of coefficients, contrasts and smaller designs."""

from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from jaxnb.glm.contrasts import Contrast, contrast_of, reduced_matrix
from jaxnb.glm.design import Design, design_of
from jaxnb.glm.dispersion import DispersionFit
from jaxnb.glm.fold_changes import shrunken_contrast
from jaxnb.glm.quasi_likelihood import quasi_likelihood
from jaxnb.glm.regression import Regression
from jaxnb.glm.separation import limits_of
from jaxnb.glm.shrinkage import DispersionPrior, shrink_dispersions
from jaxnb.glm.source import Source
from jaxnb.glm.status import GLMStatus
from jaxnb.glm.thresholds import (
    beyond_threshold,
    checked_threshold,
    offsets_of,
    wald_beyond_threshold,
)

__all__ = ["METHODS", "benjamini_hochberg", "run_test"]

Floats: TypeAlias = NDArray[np.float64]

METHODS = ("wald", "lr", "ql")
# The status of a gene that is not adjusted for.
LOW_COUNTS = "low counts"


class Fitted(Protocol):
    """What a test needs of a `GLMFit`."""

    source: Source
    design: Design
    dispersion_method: str
    prior: DispersionPrior | None
    regression: Regression
    own: DispersionFit | None
    enough_counts: NDArray[np.bool_] | None
    alpha: Floats
    beta: Floats
    log_likelihoods: Floats
    codes: NDArray[np.int64]


class _Outcome(NamedTuple):
    statistic: Floats
    p_value: Floats


def benjamini_hochberg(p_values: Floats) -> Floats:
    """Adjusted p-values that bound the false discovery rate; NaN stays NaN and does not count.

    References:
        Y. Benjamini and Y. Hochberg (1995), *Controlling the false discovery rate*, J. R. Statist.
        Soc. B 57, 289-300.
    """
    adjusted = np.full(p_values.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known])[::-1]]
    ranks = np.arange(order.size, 0, -1)
    scaled = p_values[order] * order.size / np.maximum(ranks, 1)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled), 1) if order.size else scaled
    return adjusted


def run_test(
    fit: Fitted,
    name: str | None,
    level: Any,
    base: Any,
    *,
    contrast: Any,
    reduced: Any,
    method: str,
    shrink: bool,
    threshold: float = 0.0,
) -> pd.DataFrame:
    """The test behind `GLMFit.test`, which documents it."""
    if method not in ("auto", *METHODS):
        raise ValueError(f"method={method!r} is none of 'auto', {', '.join(map(repr, METHODS))}")
    if method == "auto":
        method = "ql" if fit.prior is not None else "lr"
    threshold = checked_threshold(threshold)
    if reduced is not None:
        if threshold:
            raise ValueError("threshold is for one contrast, not for a reduced design")
        if name is not None or contrast is not None:
            raise ValueError("test either a name or contrast, or a reduced design, not both")
        if method == "wald":
            raise ValueError("the Wald test is for one contrast: use method='lr' or 'ql'")
        if shrink:
            raise ValueError("shrink=True is for one contrast, not for a reduced design")
        smaller, degrees = _nested(fit, reduced)
        outcome = _compare(fit, smaller, degrees, method)
        return _table(fit, None, outcome, f"reduced design {reduced!r}", method, {})
    asked = contrast_of(fit.design, name, level, base, contrast)
    effects = _effects(fit, asked)
    if threshold:
        outcome = _beyond(fit, asked, effects, method, threshold)
        asked = asked._replace(words=f"{asked.words}, |log2 fold change| > {threshold:g}")
    elif method == "wald":
        statistic = effects["log2_fold_change"] / effects["se"]
        outcome = _Outcome(statistic, 2 * stats.norm.sf(np.abs(statistic)))
    else:
        outcome = _compare(fit, reduced_matrix(fit.design, asked.vector), 1, method)
    extra = {}
    if shrink:
        shrunken = shrunken_contrast(fit.regression, fit.alpha, fit.beta, asked.vector)
        empty = fit.codes == GLMStatus.ALL_ZEROS
        extra["log2_fold_change_shrunken"] = np.where(empty, np.nan, shrunken / np.log(2))
    return _table(fit, effects, outcome, asked.words, method, extra)


def _beyond(
    fit: Fitted, asked: Contrast, effects: dict[str, Floats], method: str, threshold: float
) -> _Outcome:
    """The test of a contrast that is beyond a threshold."""
    change, design, vector = effects["log2_fold_change"], fit.design.matrix, asked.vector
    if method == "wald":
        return _Outcome(*wald_beyond_threshold(change, effects["se"], threshold))
    smaller = reduced_matrix(fit.design, vector)

    def at(value: float) -> _Outcome:
        source = fit.source.with_offsets(offsets_of(design, vector, value))
        return _compare(fit, smaller, 1, method, source)

    return _Outcome(*beyond_threshold(change, threshold, at))


def _effects(fit: Fitted, asked: Contrast) -> dict[str, Floats]:
    """Fold changes and standard errors to base 2; infinite and NaN where separation says so."""
    change = fit.beta @ asked.vector
    variance = fit.regression.variances(fit.alpha, fit.beta, asked.vector[None])[:, 0]
    limit = np.concatenate(
        [
            limits_of(asked.vector, problem.data.rows, problem.separation.kept)
            for _, problem in fit.regression.problems()
        ]
    )
    finite = limit == 0
    return {
        "log2_fold_change": np.where(finite, change / np.log(2), limit),
        "se": np.where(finite, np.sqrt(np.maximum(variance, 0)) / np.log(2), np.nan),
    }


def _nested(fit: Fitted, reduced: Any) -> tuple[Floats, int]:
    """The matrix of a reduced design and how many degrees of freedom it has less."""
    smaller = design_of(reduced, fit.source.obs, rows=None)
    full = fit.design.matrix
    both = np.hstack([full, smaller.matrix])
    if np.linalg.matrix_rank(both / np.linalg.norm(both, axis=0)) > full.shape[1]:
        raise ValueError(
            f"the reduced design ({', '.join(smaller.columns)}) is not nested in the design "
            f"({', '.join(fit.design.columns)}): it has terms that the design lacks"
        )
    degrees = full.shape[1] - smaller.matrix.shape[1]
    if degrees == 0:
        raise ValueError("the reduced design has the same means as the design: nothing to test")
    return smaller.matrix, degrees


def _compare(
    fit: Fitted, smaller: Floats, degrees: int, method: str, source: Source | None = None
) -> _Outcome:
    """Likelihood-ratio or quasi-likelihood test of the design against a smaller one."""
    if smaller.shape[1] == 0:
        raise ValueError(
            "without its only coefficient the design is empty: use method='wald' for it"
        )
    regression = (source or fit.source).regression(smaller)
    if method == "ql":
        return _quasi_likelihood_f(fit, regression, degrees)
    if fit.dispersion_method == "ml":
        null = regression.fit(cox_reid=False).log_likelihood
    else:
        null = regression.fit_at(fit.alpha)[1]
    statistic = np.maximum(2 * (fit.log_likelihoods - null), 0)
    return _Outcome(statistic, stats.chi2.sf(statistic, degrees))


def _quasi_likelihood_f(fit: Fitted, regression: Regression, degrees: int) -> _Outcome:
    own = fit.own or fit.regression.fit(cox_reid=True)
    prior = fit.prior
    if prior is None:
        _, prior = shrink_dispersions(fit.regression, fit.source.mean, own, fit.enough_counts)
    trend = prior.trend(fit.source.mean)
    degrees_left = fit.source.rows - fit.design.matrix.shape[1]
    quasi = quasi_likelihood(
        own.alpha, trend, fit.source.mean, degrees_left, learned_from=fit.enough_counts
    )
    _, full, _ = fit.regression.fit_at(trend, fit.beta)
    _, null, _ = regression.fit_at(trend)
    statistic = np.maximum(2 * (full - null), 0) / (degrees * quasi.dispersion)
    return _Outcome(statistic, stats.f.sf(statistic, degrees, quasi.degrees))


def _table(
    fit: Fitted,
    effects: dict[str, Floats] | None,
    outcome: _Outcome,
    words: str,
    method: str,
    extra: dict[str, Floats],
) -> pd.DataFrame:
    empty = fit.codes == GLMStatus.ALL_ZEROS
    labels = np.array([status.label for status in GLMStatus], object)
    status = labels[fit.codes]
    p_value = np.where(empty, np.nan, outcome.p_value)
    adjusted_for = p_value
    if fit.enough_counts is not None:
        adjusted_for = np.where(fit.enough_counts, p_value, np.nan)
        status = np.where(fit.enough_counts | empty, status, LOW_COUNTS)
    columns: dict[str, Any] = {"mean": fit.source.mean}
    for key, values in (effects or {}).items():
        columns[key] = np.where(empty, np.nan, values)
    columns |= {
        "statistic": np.where(empty, np.nan, outcome.statistic),
        "p_value": p_value,
        "p_adjusted": benjamini_hochberg(adjusted_for),
        "dispersion": np.where(empty, np.nan, fit.alpha),
        "status": status,
        **extra,
    }
    table = pd.DataFrame(columns, index=fit.source.genes)
    table.attrs = {"tested": words, "method": method, "dispersion": fit.dispersion_method}
    return table
