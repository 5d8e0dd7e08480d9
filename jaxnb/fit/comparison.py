"""Fits of the same counts side by side: which of them does every column need?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import erfc, expit

from jaxnb._errors import optional_module
from jaxnb._types import Array, ArrayLike
from jaxnb.data.adjusted import q_values
from jaxnb.data.statistics import CountStatistics
from jaxnb.fit.result import FitResult, FitStatus
from jaxnb.likelihoods import log_zinb_positive

__all__ = [
    "Comparison",
    "LikelihoodRatio",
    "bic",
    "compare_fits",
    "expected_variance",
    "expected_zeros",
    "likelihood_ratio_test",
]

_ELEMENTS_AT_ONCE = 1 << 20
_LARGEST_WIDTH = 64

# Free parameters, for BIC. A ZINB at theta = inf is the zero-inflated Poisson, with two.
_PARAMETERS: dict[str, Callable[[FitResult], Any]] = {
    "Poisson": lambda fit: 1,
    "NB": lambda fit: 2,
    "ZINB": lambda fit: np.where(np.isinf(fit.theta), 2, 3),
}

_TITLES = {
    "Poisson": ("mean", "log_likelihood", "zeros"),
    "NB": ("mean", "theta", "log_likelihood", "zeros", "log_mean_se", "log_theta_se", "status"),
    "ZINB": (
        "mean",
        "theta",
        "zero_inflation",
        "log_likelihood",
        "zeros",
        "log_mean_se",
        "log_theta_se",
        "zi_logits_se",
        "status",
    ),
}


class Comparison(NamedTuple):
    """Fits of the same counts, and what follows from them.

    Attributes:
        rows: number of rows (cells) fitted.
        fits: by name: "Poisson", and "NB", "ZINB" or both.
        zeros: expected share of zeros under each, by the same names.
        variances: expected variance of the counts of all rows under each, by the same names.
        table: one entry per column (gene) of the counts, by the title of the table's column.
    """

    rows: int
    fits: dict[str, FitResult]
    zeros: dict[str, NDArray[np.float64]]
    variances: dict[str, NDArray[np.float64]]
    table: dict[str, NDArray[Any]]

    def to_frame(self) -> Any:
        """The table as a `pandas.DataFrame`, one row per gene, by its name.

        Raises:
            InputError: pandas is not installed.
        """
        pandas = optional_module("pandas", "Comparison.to_frame")
        return pandas.DataFrame(self.table).set_index("gene")


class _Observed(NamedTuple):
    """What is known of the counts themselves, and where the fits are to be compared with them.

    Sums over the cells of f(size factor) are `weights` times f at `size_factors`: the distinct
    size factors and how often they occur, or the nodes of statistics.
    """

    rows: int
    size_factors: NDArray[np.float64]
    weights: NDArray[np.float64]
    mean: NDArray[np.float64]
    mean_square: NDArray[np.float64]
    nonzeros: NDArray[np.int64]


class LikelihoodRatio(NamedTuple):
    """A likelihood-ratio test of every column, each of shape ``(columns,)``."""

    statistic: NDArray[np.float64]
    p_value: NDArray[np.float64]
    q_value: NDArray[np.float64]


def compare_fits(
    counts: Any,
    size_factors: ArrayLike | None,
    fits: Mapping[str, FitResult],
    names: Sequence[str] | NDArray[np.str_] | None = None,
) -> Comparison:
    """Compare fits of the same counts.

    Args:
        counts: what was fitted, shape ``(rows, columns)``: an array, a scipy sparse matrix or a
            DataFrame; or the `CountStatistics` of it, with which nothing has to be summed again.
        size_factors: those of the fits, shape ``(rows,)``; None with statistics, which hold them.
        fits: results of `fit_poisson`, `fit_nb` and `fit_zinb` under "Poisson", "NB" and "ZINB";
            at least one of them.
        names: of the columns; None for those that the statistics or the fits know, else 0, 1, ...

    Returns:
        A `Comparison`. Its table has the columns ``gene``, ``mean_observed``,
        ``variance_observed`` (unbiased), ``zeros_observed``; for every fit its estimates, standard
        errors, status and expected share of zeros; ``lr_statistic``, ``p_value`` and ``q_value``
        (`likelihood_ratio_test`) if both NB and ZINB are there; and ``bic_choice``, the name of
        the fit with the lowest BIC ("ZIP" for a ZINB at theta = inf, "-" for a column of zeros,
        "?" where a fit has not converged).

    Raises:
        ValueError: a name in `fits` is unknown, there is none, or the lengths differ; or size
            factors are missing, or given beside statistics.

    Accuracy: with statistics, expected shares of zeros are within 1e-12 of those from the cells
    (``tests/fit/test_comparison.py``).

    Example:
        >>> import numpy as np
        >>> from jaxnb.fit import fit_nb, fit_poisson
        >>> counts = np.array([[0, 3], [1, 9], [0, 0], [1, 20]])
        >>> ones = np.ones(4)
        >>> fits = {"Poisson": fit_poisson(counts, ones), "NB": fit_nb(counts, ones)}
        >>> compare_fits(counts, ones, fits, ["A", "B"]).table["bic_choice"].tolist()
        ['Poisson', 'NB']
    """
    seen = _observed(counts, size_factors)
    rows, columns = seen.rows, seen.mean.size
    known = [counts.names] if isinstance(counts, CountStatistics) else []
    known += [fit.genes for fit in fits.values()]
    names = next((entry for entry in (names, *known) if entry is not None), None)
    _check(fits, columns, names)
    zeros = {
        name: _expected_zeros(fit, seen.size_factors, seen.weights) for name, fit in fits.items()
    }
    unbiased = rows / max(rows - 1, 1)
    table: dict[str, NDArray[Any]] = {
        "gene": np.arange(columns).astype(np.str_) if names is None else np.asarray(names, np.str_),
        "mean_observed": seen.mean,
        "variance_observed": np.maximum(seen.mean_square - seen.mean**2, 0) * unbiased,
        "zeros_observed": 1 - seen.nonzeros / rows,
    }
    for name, fit in fits.items():
        table |= _columns_of(name, fit, zeros[name])
    if "NB" in fits and "ZINB" in fits:
        test = likelihood_ratio_test(fits["NB"], fits["ZINB"])
        table |= {"lr_statistic": test.statistic, "p_value": test.p_value, "q_value": test.q_value}
    table["bic_choice"] = _bic_choice(fits, rows)
    moments = [float(seen.weights @ seen.size_factors**power) / rows for power in (1, 2)]
    variances = {name: _expected_variance(fit, *moments) for name, fit in fits.items()}
    return Comparison(rows, dict(fits), zeros, variances, table)


def expected_zeros(fit: FitResult, size_factors: ArrayLike) -> NDArray[np.float64]:
    """Mean over the rows of the fitted probability of a zero, shape ``(columns,)``."""
    return _expected_zeros(fit, *_distinct(np.asarray(size_factors, np.float64)))


def _expected_zeros(
    fit: FitResult, at: NDArray[np.float64], repeats: NDArray[np.float64]
) -> NDArray[np.float64]:
    width = int(np.clip(_ELEMENTS_AT_ONCE // at.size, 1, _LARGEST_WIDTH))
    shares = np.empty(fit.mean.size)
    # As the fits are, in float64 whatever the flag is.
    with jax.enable_x64(True):
        weights, factors = jnp.asarray(repeats / repeats.sum()), jnp.asarray(at)
        for start in range(0, fit.mean.size, width):
            part = slice(start, start + width)
            size = shares[part].size
            # One compiled shape: the last part is filled up.
            parameters = (
                np.resize(np.asarray(entry[part], np.float64), width)
                for entry in (fit.mean, fit.theta, fit.zi_logits)
            )
            shares[part] = _zero_shares(factors, weights, *parameters)[:size]
    # Weights at nodes may be negative, and a share of nearly none so too by rounding.
    return np.clip(shares, 0, 1)


def expected_variance(fit: FitResult, size_factors: ArrayLike) -> NDArray[np.float64]:
    """Variance of the count of a row drawn at random, shape ``(columns,)``.

    The variance within the rows, averaged, and that of their means: with s a size factor, m the
    mean, p the inflation and q = 1 − p, E[q(sm + s²m²(1/θ + p))] + Var[qsm].
    """
    factors = np.asarray(size_factors, np.float64)
    return _expected_variance(fit, float(factors.mean()), float(np.mean(factors**2)))


def _expected_variance(fit: FitResult, first: float, second: float) -> NDArray[np.float64]:
    """From the first two moments of the size factors."""
    mean, theta, zi_logits = (
        np.asarray(entry, np.float64) for entry in (fit.mean, fit.theta, fit.zi_logits)
    )
    p, q = expit(zi_logits), expit(-zi_logits)
    within = q * mean * (first + second * mean * (1 / theta + p))
    variance: NDArray[np.float64] = within + (q * mean) ** 2 * max(second - first**2, 0)
    return variance


def likelihood_ratio_test(nb: FitResult, zinb: FitResult) -> LikelihoodRatio:
    """Test for zero inflation: the ZINB against the NB, column by column.

    No inflation is on the boundary of the ZINB's parameters, where half of the samples have their
    maximum. The statistic 2(ll_ZINB − ll_NB) is therefore compared with ½χ²₀ + ½χ²₁, and a
    statistic of 0 has the p-value 1.

    References:
        S. G. Self & K.-Y. Liang (1987), *Asymptotic properties of maximum likelihood estimators
        and likelihood ratio tests under nonstandard conditions*, JASA 82, 605–610, case 5.
    """
    statistic = np.maximum(2 * (zinb.log_likelihood - nb.log_likelihood), 0)
    p_value = np.where(statistic > 0, 0.5 * erfc(np.sqrt(statistic / 2)), 1.0)
    return LikelihoodRatio(statistic, p_value, q_values(p_value))


def bic(name: str, fit: FitResult, rows: int) -> NDArray[np.float64]:
    """Bayesian information criterion, k·log(rows) − 2·log-likelihood, shape ``(columns,)``.

    k is 1 for "Poisson", 2 for "NB", 3 for "ZINB" and 2 where its theta is inf.

    References:
        G. Schwarz (1978), *Estimating the dimension of a model*, Annals of Statistics 6, 461–464.
    """
    score: NDArray[np.float64] = _PARAMETERS[name](fit) * np.log(rows) - 2 * fit.log_likelihood
    return score


@jax.jit
def _zero_shares(
    size_factors: Array, weights: Array, mean: Array, theta: Array, zi_logits: Array
) -> Array:
    mu = mean[:, None] * size_factors
    log_zero = log_zinb_positive(jnp.zeros_like(mu), mu, theta[:, None], zi_logits[:, None], 0.0)
    return jnp.sum(jnp.exp(log_zero) * weights, axis=1)


def _observed(counts: Any, size_factors: ArrayLike | None) -> _Observed:
    if isinstance(counts, CountStatistics):
        if size_factors is not None:
            raise ValueError("statistics hold their size factors: give None")
        rows = int(counts.cells.sum())
        return _Observed(
            rows,
            np.exp(counts.nodes),
            counts.cell_weights.sum(axis=0),
            counts.totals.sum(axis=1) / rows,
            counts.squares / rows,
            counts.nonzeros,
        )
    if size_factors is None:
        raise ValueError("size_factors: give those of the fits; only statistics hold them")
    # Most files hold counts as float32, in which means are good to six digits only.
    matrix = sparse.csr_array(counts).astype(np.float64)
    factors = np.asarray(size_factors, np.float64)
    rows, columns = matrix.shape
    if factors.shape != (rows,):
        raise ValueError(f"size_factors must have shape {(rows,)}, not {factors.shape}")
    return _Observed(
        rows,
        *_distinct(factors),
        np.asarray(matrix.mean(axis=0)).ravel(),
        np.asarray(matrix.multiply(matrix).mean(axis=0)).ravel(),
        np.bincount(matrix.indices[matrix.data != 0], minlength=columns),
    )


def _distinct(factors: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Totals of few counts repeat: each distinct size factor is evaluated once."""
    distinct, repeats = np.unique(factors, return_counts=True)
    return distinct, repeats.astype(np.float64)


def _check(
    fits: Mapping[str, FitResult],
    columns: int,
    names: Sequence[str] | NDArray[np.str_] | None,
) -> None:
    known = ", ".join(_PARAMETERS)
    if not fits or not set(fits) <= set(_PARAMETERS):
        raise ValueError(f"fits must be named {known}, not {', '.join(fits) or 'empty'}")
    lengths = {name: len(fit.mean) for name, fit in fits.items()}
    if names is not None:
        lengths["names"] = len(names)
    for name, length in lengths.items():
        if length != columns:
            raise ValueError(f"{name}: {length} entries for {columns} columns of counts")


def _columns_of(name: str, fit: FitResult, zeros: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    columns = {**fit.columns(), "zeros": zeros}
    return {f"{name.lower()}_{title}": columns[title] for title in _TITLES[name]}


def _bic_choice(fits: Mapping[str, FitResult], rows: int) -> NDArray[np.str_]:
    """The fit with the lowest BIC, the simpler one where two have the same."""
    scores = np.stack([bic(name, fit, rows) for name, fit in fits.items()])
    choice: NDArray[np.str_] = np.array(list(fits), "<U8")[np.argmin(scores, axis=0)]
    if "ZINB" in fits:
        choice[(choice == "ZINB") & np.isinf(fits["ZINB"].theta)] = "ZIP"
    statuses = np.stack([fit.status for fit in fits.values()])
    choice[np.any(statuses == FitStatus.NOT_CONVERGED, axis=0)] = "?"
    choice[np.all(statuses == FitStatus.ALL_ZEROS, axis=0)] = "-"
    return choice
