"""The table: for every gene the laws that were fitted, and which of them the counts ask for."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc, expit

from jaxnb._types import Array
from jaxnb.fit import FitResult, FitStatus
from jaxnb.likelihoods import log_zinb_positive

__all__ = ["Comparison", "compare", "expected_variance", "expected_zeros"]

_GENES_AT_ONCE = 64

# Free parameters, for BIC. A ZINB at theta = inf is the zero-inflated Poisson law, with two.
_PARAMETERS: dict[str, Callable[[FitResult], Any]] = {
    "Poisson": lambda fit: 1,
    "NB": lambda fit: 2,
    "ZINB": lambda fit: np.where(np.isinf(fit.theta), 2, 3),
}


class Comparison(NamedTuple):
    """Fits of the same counts, and what follows from them.

    Attributes:
        cells: number of cells fitted.
        fits: by the law's name: "Poisson", and "NB", "ZINB" or both.
        zeros: expected share of zeros under each, by the same names.
        variances: expected variance of the counts of all cells under each, by the same names.
        table: the columns of the CSV file, in order.
    """

    cells: int
    fits: dict[str, FitResult]
    zeros: dict[str, NDArray[np.float64]]
    variances: dict[str, NDArray[np.float64]]
    table: dict[str, NDArray[Any]]


def compare(
    genes: NDArray[np.str_],
    counts: Any,
    size_factors: NDArray[np.float64],
    fits: dict[str, FitResult],
) -> Comparison:
    """Lay the fits side by side."""
    cells = counts.shape[0]
    zeros = {law: expected_zeros(fit, size_factors) for law, fit in fits.items()}
    mean = np.asarray(counts.mean(axis=0)).ravel()
    squares = np.asarray((counts.astype(np.float64) ** 2).mean(axis=0)).ravel()
    table: dict[str, NDArray[Any]] = {
        "gene": genes,
        "mean_observed": mean,
        "variance_observed": np.maximum(squares - mean**2, 0) * cells / max(cells - 1, 1),
        "zeros_observed": 1 - np.asarray((counts != 0).mean(axis=0)).ravel(),
    }
    for law, fit in fits.items():
        table |= _columns_of(law, fit, zeros[law])
    if "NB" in fits and "ZINB" in fits:
        table |= _likelihood_ratio(fits["NB"], fits["ZINB"])
    table["bic_choice"] = _bic_choice(fits, cells)
    variances = {law: expected_variance(fit, size_factors) for law, fit in fits.items()}
    return Comparison(cells, fits, zeros, variances, table)


def expected_zeros(fit: FitResult, size_factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the cells of the law's probability of a zero, shape ``(genes,)``."""
    factors = jnp.asarray(size_factors, dtype=float)
    shares = np.empty(fit.mean.size)
    for start in range(0, fit.mean.size, _GENES_AT_ONCE):
        part = slice(start, start + _GENES_AT_ONCE)
        size = shares[part].size
        # One compiled shape: the last part is filled up.
        parameters = (
            np.resize(entry[part], _GENES_AT_ONCE) for entry in (fit.mean, fit.theta, fit.zi_logits)
        )
        shares[part] = _zero_shares(factors, *parameters)[:size]
    return shares


def expected_variance(fit: FitResult, size_factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of the count of a cell drawn at random, shape ``(genes,)``.

    The variance within the cells, averaged, and that of their means: with s a size factor, m the
    mean, p the inflation and q = 1 − p, E[q(sm + s²m²(1/θ + p))] + Var[qsm].
    """
    mean, theta, zi_logits = (
        entry.astype(np.float64) for entry in (fit.mean, fit.theta, fit.zi_logits)
    )
    p, q = expit(zi_logits), expit(-zi_logits)
    within = q * mean * (size_factors.mean() + np.mean(size_factors**2) * mean * (1 / theta + p))
    variance: NDArray[np.float64] = within + (q * mean) ** 2 * size_factors.var()
    return variance


@jax.jit
def _zero_shares(size_factors: Array, mean: Array, theta: Array, zi_logits: Array) -> Array:
    mu = mean[:, None] * size_factors
    log_zero = log_zinb_positive(jnp.zeros_like(mu), mu, theta[:, None], zi_logits[:, None], 0.0)
    return jnp.mean(jnp.exp(log_zero), axis=1)


def _columns_of(law: str, fit: FitResult, zeros: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    names = {int(status): status.name.lower() for status in FitStatus}
    columns: dict[str, NDArray[Any]] = {"mean": fit.mean}
    if law != "Poisson":
        columns |= {"theta": fit.theta}
    if law == "ZINB":
        columns |= {"zero_inflation": expit(fit.zi_logits.astype(np.float64))}
    columns |= {"log_likelihood": fit.log_likelihood, "zeros": zeros}
    if law != "Poisson":
        errors = fit.standard_errors
        columns |= {"log_mean_se": errors.log_mean, "log_theta_se": errors.log_theta}
        if law == "ZINB":
            columns |= {"zi_logits_se": errors.zi_logits}
        columns |= {"status": np.array([names[code] for code in fit.status.tolist()])}
    return {f"{law.lower()}_{name}": column for name, column in columns.items()}


def _likelihood_ratio(nb: FitResult, zinb: FitResult) -> dict[str, NDArray[Any]]:
    """The ratio, its p-value under ½χ²₀ + ½χ²₁, and the q-value.

    No inflation is on the boundary of the ZINB's parameters, where half of the samples have their
    maximum; hence the mixture (Self & Liang 1987, case 5).
    """
    ratio = np.maximum(2 * (zinb.log_likelihood - nb.log_likelihood), 0)
    p_value = np.where(ratio > 0, 0.5 * erfc(np.sqrt(ratio / 2)), 1.0)
    return {"lr_statistic": ratio, "p_value": p_value, "q_value": _q_values(p_value)}


def _q_values(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Benjamini and Hochberg's adjustment."""
    order = np.argsort(p_values)[::-1]
    ranks = np.arange(p_values.size, 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum.accumulate(p_values[order] * p_values.size / ranks)
    return adjusted


def _bic_choice(fits: dict[str, FitResult], cells: int) -> NDArray[np.str_]:
    """The law with the lowest BIC, the simpler one where two have the same."""
    scores = np.stack(
        [
            _PARAMETERS[law](fit) * np.log(cells) - 2 * fit.log_likelihood
            for law, fit in fits.items()
        ]
    )
    choice: NDArray[np.str_] = np.array(list(fits), "<U8")[np.argmin(scores, axis=0)]
    if "ZINB" in fits:
        choice[(choice == "ZINB") & np.isinf(fits["ZINB"].theta)] = "ZIP"
    statuses = np.stack([fit.status for fit in fits.values()])
    choice[np.any(statuses == FitStatus.NOT_CONVERGED, axis=0)] = "?"
    choice[np.all(statuses == FitStatus.ALL_ZEROS, axis=0)] = "-"
    return choice
