"""What a fit returns: one entry per column, and a status that says what happened to it."""

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from jaxnb._errors import optional_module

__all__ = ["FitResult", "FitStatus", "StandardErrors"]


class FitStatus(IntEnum):
    """Outcome of the fit of one column; ``FitStatus(code).message`` says it in words.

    A maximum on the boundary of the parameter space is a result like any other: the estimate is
    infinite because the likelihood is highest there. It is reported only where the derivative of
    the log-likelihood, at the boundary and into the parameter space, is not positive and no better
    point was found inside.
    """

    CONVERGED = 0
    POISSON = 1
    NO_INFLATION = 2
    POISSON_NO_INFLATION = 3
    ALL_ZEROS = 4
    NOT_CONVERGED = 5

    @property
    def message(self) -> str:
        """The outcome in a sentence."""
        return _MESSAGES[self]


_MESSAGES = {
    FitStatus.CONVERGED: "converged: the maximum lies inside the parameter space",
    FitStatus.POISSON: (
        "at the Poisson boundary (theta = inf): no more variance than a Poisson distribution has"
    ),
    FitStatus.NO_INFLATION: (
        "at the no-inflation boundary (zi_logits = -inf): no more zeros than the NB has"
    ),
    FitStatus.POISSON_NO_INFLATION: "at both boundaries: a plain Poisson distribution fits best",
    FitStatus.ALL_ZEROS: "all counts are zero: the mean is 0 and nothing else can be estimated",
    FitStatus.NOT_CONVERGED: "not converged: do not rely on these estimates",
}


class StandardErrors(NamedTuple):
    """Standard errors from the observed information at the maximum, each of shape ``(columns,)``.

    A parameter on its boundary has no standard error: its entry is NaN, and the others are those
    of the family in which it is fixed there. All are NaN for a column of zeros.

    Attributes:
        log_mean: of log(mean).
        log_theta: of log(theta).
        zi_logits: of zi_logits.
    """

    log_mean: NDArray[np.floating[Any]]
    log_theta: NDArray[np.floating[Any]]
    zi_logits: NDArray[np.floating[Any]]


class FitResult(NamedTuple):
    """Maximum-likelihood estimates, each an array of shape ``(columns,)``.

    Estimates and standard errors are float64, whatever ``jax_enable_x64`` is.

    Attributes:
        mean: expected count (before zero inflation) of a row whose size factor is 1.
        theta: inverse dispersion; +inf where the distribution is Poisson.
        zi_logits: log-odds of a structural zero; -inf where there is no inflation, as everywhere
            in an NB fit.
        log_likelihood: of the column at its maximum, always float64 (see `fit_nb`).
        standard_errors: of log(mean), log(theta) and zi_logits, see `StandardErrors`.
        n_iter: Newton steps taken, int32.
        status: a `FitStatus` code, int8.
        genes: names of the columns of a DataFrame or an AnnData, else None.
    """

    mean: NDArray[np.floating[Any]]
    theta: NDArray[np.floating[Any]]
    zi_logits: NDArray[np.floating[Any]]
    log_likelihood: NDArray[np.float64]
    standard_errors: StandardErrors
    n_iter: NDArray[np.int32]
    status: NDArray[np.int8]
    genes: NDArray[np.str_] | None = None

    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with one row per column of the counts, by its name if it had one.

        See `columns` for its columns.

        Raises:
            InputError: pandas is not installed.
        """
        pandas = optional_module("pandas", "FitResult.to_frame")
        return pandas.DataFrame(self.columns(), index=self.genes)

    def write(self, adata: Any, prefix: str) -> None:
        """Put the estimates into ``adata.var``, in columns such as ``nb_mean``.

        Args:
            adata: an AnnData with the genes of the fit; it is changed in place.
            prefix: what the names of the columns begin with, such as "nb".

        Raises:
            ValueError: the AnnData has other genes.
        """
        names = np.asarray(adata.var_names).astype(str)
        if names.size != self.mean.size:
            raise ValueError(f"the fit has {self.mean.size} genes, the AnnData {names.size}")
        if self.genes is not None and not np.array_equal(names, self.genes):
            at = int(np.argmax(names != self.genes))
            raise ValueError(
                f"the AnnData has other genes than the fit: {names[at]!r} where the fit has "
                f"{str(self.genes[at])!r}"
            )
        for name, entry in self.columns().items():
            adata.var[f"{prefix}_{name}"] = entry

    def columns(self) -> dict[str, NDArray[Any]]:
        """The estimates as named arrays.

        The names are those of the attributes, ``zero_inflation`` for the probability of a
        structural zero (the logistic function of zi_logits), ``log_mean_se``, ``log_theta_se``
        and ``zi_logits_se`` for the standard errors; the status is in words.
        """
        words = {int(status): status.name.lower() for status in FitStatus}
        return {
            "mean": self.mean,
            "theta": self.theta,
            "zi_logits": self.zi_logits,
            "zero_inflation": expit(np.asarray(self.zi_logits, np.float64)),
            "log_likelihood": self.log_likelihood,
            **{f"{name}_se": entry for name, entry in self.standard_errors._asdict().items()},
            "n_iter": self.n_iter,
            "status": np.array([words[int(code)] for code in self.status]),
        }
