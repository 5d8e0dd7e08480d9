"""Tests of coefficients, contrasts and smaller designs."""

from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from jaxnb.data.adjusted import q_values
from jaxnb.glm.bulk.dispersions import Flagged
from jaxnb.glm.bulk.regression import BulkRegression
from jaxnb.glm.contrasts import Contrast, contrast_of, reduced_matrix
from jaxnb.glm.design import Design, design_of
from jaxnb.glm.fold_changes import shrunken_contrast
from jaxnb.glm.prior import DispersionPrior
from jaxnb.glm.quasi_likelihood import learn_quasi_prior, quasi_dispersions
from jaxnb.glm.regression import Regression
from jaxnb.glm.shrinkage import shrink_dispersions
from jaxnb.glm.source import Source
from jaxnb.glm.status import GLMStatus
from jaxnb.glm.thresholds import (
    beyond_threshold,
    checked_threshold,
    offsets_of,
    wald_beyond_threshold,
)

__all__ = ["METHODS", "run_test"]

Floats: TypeAlias = NDArray[np.float64]

METHODS = ("wald", "lr", "ql")
# The status of a gene that is not adjusted for, and of one with outliers.
LOW_COUNTS, OUTLIER = "low counts", "outlier"
# With fewer degrees of freedom an outlier cannot be told from a gene that is on in some rows only.
_ENOUGH_DEGREES = 12


class Fitted(Protocol):
    """What a test needs of a `GLMFit`."""

    source: Source
    design: Design
    dispersion_method: str
    prior: DispersionPrior | None
    regression: Regression
    own: Floats | None
    flagged: Flagged | None
    enough_counts: NDArray[np.bool_] | None
    alpha: Floats
    beta: Floats
    log_likelihoods: Floats
    codes: NDArray[np.int64]


class _Outcome(NamedTuple):
    statistic: Floats
    p_value: Floats


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
        source = fit.source.with_offsets(offsets_of(design, vector, value, smaller))
        return _compare(fit, smaller, 1, method, source)

    return _Outcome(*beyond_threshold(change, threshold, at))


def _effects(fit: Fitted, asked: Contrast) -> dict[str, Floats]:
    """Fold changes and standard errors to base 2; infinite and NaN where separation says so."""
    change = fit.beta @ asked.vector
    variance = fit.regression.variances(fit.alpha, fit.beta, asked.vector[None])[:, 0]
    limit = fit.regression.limits_of(asked.vector)
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
    within = source is None
    source = source or fit.source
    if method == "ql":
        return _quasi_likelihood_f(fit, smaller, degrees, source)
    regression = source.regression(smaller, width=fit.design.matrix.shape[1])
    if within:
        regression = regression.within(fit.regression)
    if fit.dispersion_method == "ml":
        null = regression.fit(cox_reid=False).log_likelihood
    else:
        null = regression.fit_at(fit.alpha)[1]
    statistic = np.maximum(2 * (fit.log_likelihoods - null), 0)
    return _Outcome(statistic, stats.chi2.sf(statistic, degrees))


def _quasi_likelihood_f(fit: Fitted, smaller: Floats, degrees: int, source: Source) -> _Outcome:
    own, prior = fit.own, fit.prior
    if own is None:
        own = fit.regression.fit(cox_reid=True).alpha
    if prior is None:
        _, prior = shrink_dispersions(fit.regression, source.mean, own, fit.beta, fit.enough_counts)
    coefficients = fit.design.matrix.shape[1]
    trend = prior.trend(source.mean)
    beta, ratio = _ratio(
        fit.regression, source.regression(smaller, width=coefficients), trend, fit.beta
    )
    if isinstance(fit.regression, BulkRegression):
        phi, degrees_left = fit.regression.quasi_dispersions(trend, beta)
    else:
        phi = quasi_dispersions(own, trend, source.mean_count)
        degrees_left = source.degrees(coefficients)
    usable = (source.mean > 0) & (degrees_left >= 1)
    if fit.enough_counts is not None:
        usable &= fit.enough_counts
    quasi = learn_quasi_prior(phi, degrees_left, usable)
    statistic = ratio / (degrees * quasi.moderated(phi, degrees_left))
    p_value = quasi.p_values(ratio, degrees, phi, degrees_left)
    if fit.flagged is not None and fit.flagged.genes.size:
        genes = fit.flagged.genes
        full, null = (
            BulkRegression(samples, matrix, lambda: iter(()), width=coefficients)
            for samples, matrix in (
                (fit.flagged.samples, fit.design.matrix),
                (fit.flagged.samples.shifted(source.shift), smaller),
            )
        )
        trend = prior.trend(fit.flagged.mean)
        beta, ratio = _ratio(full, null, trend)
        whole = quasi.p_values(ratio, degrees, *full.quasi_dispersions(trend, beta))
        p_value[genes] = _with_outliers(fit.flagged, coefficients, p_value[genes], whole)
    return _Outcome(statistic, np.where(source.degrees(coefficients) > 0, p_value, np.nan))


def _ratio(
    full: Regression, null: Regression, alpha: Floats, start: Floats | None = None
) -> tuple[Floats, Floats]:
    """Coefficients of the full design, and likelihood ratios, at given dispersions."""
    beta, value, _ = full.fit_at(alpha, start)
    return beta, np.maximum(2 * (value - null.fit_at(alpha)[1]), 0)


def _with_outliers(flagged: Flagged, coefficients: int, without: Floats, whole: Floats) -> Floats:
    """P-values of the genes with outliers, from those without them and those with all counts."""
    degrees_left = flagged.samples.weights.sum(axis=1) - coefficients
    probability = flagged.probability
    return np.where(
        degrees_left < _ENOUGH_DEGREES,
        np.maximum(without, whole),
        probability * without + (1 - probability) * whole,
    )


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
    outliers = {}
    if fit.flagged is not None:
        number = np.zeros(len(fit.source.genes), np.int64)
        number[fit.flagged.genes] = fit.flagged.counts
        outliers["outliers"] = number
        said = (status != LOW_COUNTS) & (fit.codes != GLMStatus.NOT_CONVERGED)
        status = np.where((number > 0) & said, OUTLIER, status)
    columns: dict[str, Any] = {"mean": fit.source.mean}
    for key, values in (effects or {}).items():
        columns[key] = np.where(empty, np.nan, values)
    columns |= {
        "statistic": np.where(empty, np.nan, outcome.statistic),
        "p_value": p_value,
        "p_adjusted": q_values(adjusted_for),
        "dispersion": np.where(empty, np.nan, fit.alpha),
        **outliers,
        "status": status,
        **extra,
    }
    table = pd.DataFrame(columns, index=fit.source.genes)
    table.attrs = {"tested": words, "method": method, "dispersion": fit.dispersion_method}
    return table
