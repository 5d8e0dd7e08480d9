"""The stored exact values, and the measures in which an error against them is expressed."""

import pathlib
from typing import NamedTuple

import numpy as np

_STORED = dict(np.load(pathlib.Path(__file__).parent / "reference" / "nb_reference.npz"))
REGION = _STORED["region"]
NAMES = [n for n in _STORED if f"{n}_lo" in _STORED]


class Errors(NamedTuple):
    """Per point: see `errors`."""

    ulp: np.ndarray
    relative: np.ndarray
    backward: np.ndarray
    wrong_sign: np.ndarray
    wrong_zero: np.ndarray
    not_finite: np.ndarray


def arguments(law: str, dtype, where=...):
    names = {
        "nb": ("x", "mu", "theta"),
        "zinb": ("x", "mu", "theta", "pi"),
        "mix": ("x", "mu", "mu_2", "theta", "theta_2", "q"),
    }[law]
    return tuple(_STORED[n][where].astype(dtype) for n in names)


def exact(name: str, where=...) -> np.ndarray:
    return _STORED[name][where]


def errors(name: str, got, where=...) -> Errors:
    """Compare an array with the stored quantity `name` at the points `where`.

    ulp: error in units of max(1, |exact|) eps. relative: error over |exact|. backward: error over
    what a relative change of eps in value, mu and theta would do, which is the fair measure of a
    derivative near its root (first derivatives of the NB only).
    """
    got = np.asarray(got)
    eps, tiny = float(np.finfo(got.dtype).eps), float(np.finfo(got.dtype).tiny)
    high, low = _STORED[name][where], _STORED[f"{name}_lo"][where]
    size = np.abs(high)
    with np.errstate(all="ignore"):
        error = np.abs((got.astype(float) - high) - low)
        relative = np.where(
            size < tiny, np.where(np.abs(got) <= 2 * tiny, 0.0, np.inf), error / size
        )
        backward = np.full(len(error), np.nan)
        if name in ("nb_mu", "nb_theta"):
            cross = "nb_mu_theta"
            along_mu, along_theta = (
                ("nb_mu_mu", cross) if name == "nb_mu" else (cross, "nb_theta_theta")
            )
            change = size + np.abs(_STORED["mu"][where] * _STORED[along_mu][where])
            change = change + np.abs(_STORED["theta"][where] * _STORED[along_theta][where])
            backward = np.where(size < tiny, 0.0, error / (eps * change))
    seen = size > max(tiny, 1e-30)
    return Errors(
        error / (np.maximum(1, size) * eps),
        relative,
        backward,
        (got * high < 0) & seen,
        (got == 0) & seen,
        ~np.isfinite(got),
    )


def worst(values: np.ndarray) -> float:
    return float(np.max(values))


def percentile_99(values: np.ndarray) -> float:
    return float(np.sort(values)[int(np.ceil(0.99 * len(values))) - 1])
