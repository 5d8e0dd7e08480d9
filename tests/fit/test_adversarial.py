"""Columns made to break an optimizer, against an independent one.

The log-likelihood is written for α = 1/θ with differences of log Γ by Stirling's formula in long
double, and climbed by Nelder and Mead's method from many starts. A fit must not lie lower by more
than 1e-6, whatever boundary it claims. The points that the other optimizer finds are stored, since
it takes a minute: `python tests/fit/test_adversarial.py` writes them.
"""

import json
import warnings
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import minimize
from scipy.special import gammaln

from jaxnb.fit import FitResult, FitStatus, fit_nb, fit_zinb

Floats = NDArray[np.float64]
Fits = tuple[FitResult, FitResult]
Point = tuple[float, float, float]
Long = np.longdouble
STORED = Path(__file__).parent / "reference" / "adversarial.json"


def stirling(z: NDArray[Long]) -> NDArray[Long]:
    """log Γ(z) − (z − ½) log z + z − log(2π)/2 for z ≥ 16."""
    w = 1 / z**2
    return (Long(1) / 12 - w * (Long(1) / 360 - w * (Long(1) / 1260 - w / 1680))) / z


def log_rising(x: Floats, alpha: Long) -> NDArray[Long]:
    """log Γ(x + θ)/(Γ(θ)·θˣ), the first 16 factors one by one."""
    total = np.zeros(x.shape, Long)
    for k in range(16):
        total += np.where(x > k, np.log1p(alpha * k), 0)
    large = np.maximum(x.astype(Long), 16)
    if alpha == 0 or not np.any(x > 16):
        return total
    z, z0 = large + 1 / alpha, 16 + 1 / alpha
    ratio = np.log1p((large - 16) / z0)
    rest = (z - Long(0.5)) * ratio - (large - 16) + stirling(z) - stirling(z0)
    return total + rest + (large - 16) * np.log1p(16 * alpha)


def log_factorial(x: Floats) -> NDArray[Long]:
    large = np.maximum(x.astype(Long) + 1, 16)
    log_gamma = (large - Long(0.5)) * np.log(large) - large + stirling(large)
    log_gamma += np.log(8 * np.arctan(Long(1))) / 2
    return np.where(x < 15, gammaln(x + 1), log_gamma)


def log_likelihood(x: Floats, s: Floats, log_overall_mean: float, alpha: float, p: float) -> float:
    mu = s.astype(Long) * np.exp(Long(log_overall_mean)) / (1 - Long(p))
    a = Long(alpha)
    decay = np.log1p(a * mu) / a if alpha > 0 else mu
    terms = log_rising(x, a) + x * (np.log(mu) - np.log1p(a * mu)) - decay - log_factorial(x)
    at_zero = np.log(p + (1 - Long(p)) * np.exp(-decay))
    return float(np.where(x == 0, at_zero, terms + np.log1p(-Long(p))).sum())


def highest(x: Floats, s: Floats, *, inflated: bool) -> Point:
    """Where the highest log-likelihood was found, on the boundaries and inside."""
    log_mean = np.log(x.sum() / s.sum())
    shares = (0.0, 0.1, 0.8) if inflated and np.any(x == 0) else (0.0,)
    best, where = -np.inf, (0.0, 0.0, 0.0)
    scale = 1 / max(x.mean(), 1)
    for alpha, share in product((0.0, 0.1 * scale, 10 * scale, 0.3, 20.0), shares):
        p = share * float(np.mean(x == 0))

        def point(
            free: Floats, poisson: bool = alpha == 0, plain: bool = share == 0
        ) -> tuple[float, float, float]:
            a = 0.0 if poisson else float(np.exp(min(free[1], 60)))
            return float(free[0]), a, 0.0 if plain else float(1 / (1 + np.exp(-free[2])))

        def loss(free: Floats, point=point) -> float:
            at = point(free)
            value = log_likelihood(x, s, *at) if at[2] < 1 else np.nan
            return np.inf if np.isnan(value) else -value

        start = np.array([log_mean, np.log(alpha or 1), np.log(p / (1 - p)) if p else 0])
        for _ in range(2):
            end = minimize(
                loss, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-10}
            )
            start = end.x
        if -end.fun > best:
            best, where = -end.fun, point(end.x)
    return where


def ten_cells() -> tuple[Floats, Floats]:
    """Many columns of ten cells, and their size factors."""
    rng = np.random.default_rng(7)
    s = np.linspace(0.5, 2, 10)
    mean = np.exp(rng.normal(0, 2, 1000))
    x = rng.poisson(s[:, None] * mean * rng.gamma(0.8, 1 / 0.8, (10, 1000)))
    return x.astype(float), s


def cases() -> dict[str, tuple[Floats, Floats]]:
    rng = np.random.default_rng(140)
    n = 60
    ones, wide = np.ones(n), np.exp(rng.uniform(np.log(1e-3), np.log(1e3), n))
    narrow = np.exp(rng.uniform(-0.99, 0.99, n))
    huge = np.round(np.exp(rng.normal(np.log(2.0**29), 0.5, n)))
    huge[0] = 2.0**31 - 1
    outlier = rng.poisson(2.0, n).astype(float)
    outlier[7] = 1e9
    lone = np.zeros(n)
    lone[5] = 1e9
    spread = np.zeros(n)
    spread[:3] = [1, 40, 3000]
    many, ten = ten_cells()
    # Every set of size factors but the wide one has a count of 1e9: they share their programs.
    return {
        "one cell": (np.array([7.0]), np.array([1.0])),
        "one cell of 1e9": (np.array([1e9]), np.array([1.0])),
        "all equal": (np.full(n, 5.0), ones),
        "nothing but 1e9, exposures equal": (lone, ones),
        "all equal, exposures differ": (np.full(n, 5.0), narrow),
        "one outlier of 1e9": (outlier, narrow),
        "nothing but 1e9": (lone, narrow),
        "three nonzeros": (spread, narrow),
        "under-dispersed": (rng.binomial(10, 0.8, n).astype(float), narrow),
        "nearly Poisson": (rng.poisson(30 * narrow).astype(float), narrow),
        "large and nearly Poisson": (rng.poisson(3e7 * narrow).astype(float), narrow),
        "counts to 2**31": (huge, narrow),
        "counts to 2**31 and zeros": (np.where(rng.random(n) < 0.3, 0, huge), narrow),
        "exposures over a range of 1e6": (rng.poisson(wide * rng.gamma(1, 1, n)) * 1.0, wide),
        "inflated over a range of 1e6": (
            rng.poisson(3 * wide * (rng.random(n) < 0.6)).astype(float),
            wide,
        ),
        "counts against exposures": (rng.poisson(5 / wide**0.5).astype(float), wide),
        "zeros and large counts": (np.where(rng.random(n) < 0.5, 0, 1000.0), narrow),
        "ten cells": (np.array([0, 0, 3, 0, 1, 0, 0, 9, 0, 0.0]), ten),
        "ten cells, one of 1e9": (np.where(np.arange(10) == 3, 1e9, 1), ten),
        **{f"ten cells, column {j}": (many[:, j], ten) for j in (74, 218, 960)},
    }


CASES = cases()


@pytest.fixture(scope="module")
def fits(request: pytest.FixtureRequest) -> dict[str, Fits]:
    """The columns with the same size factors are fitted together, those that a test asks for."""
    asked = {item.callspec.params["name"] for item in request.session.items if in_module(item)}
    together: dict[bytes, list[str]] = {}
    for name, (_, s) in CASES.items():
        if name in asked:
            together.setdefault(s.tobytes(), []).append(name)
    found = {}
    for names in together.values():
        columns, s = np.stack([CASES[name][0] for name in names], axis=1), CASES[names[0]][1]
        nb = fit_nb(columns, s)
        zinb = fit_zinb(columns, s, nb=nb)
        for place, name in enumerate(names):
            found[name] = column(nb, place), column(zinb, place)
    return found


def in_module(item: pytest.Item) -> bool:
    named = "name" in getattr(getattr(item, "callspec", None), "params", ())
    return named and item.module.__name__ == __name__  # type: ignore[attr-defined]


def column(fit: FitResult, place: int) -> FitResult:
    only = np.s_[place : place + 1]
    part = fit._replace(**{name: getattr(fit, name)[only] for name in fit._fields[:4]})
    return part._replace(status=fit.status[only])


@cache
def stored() -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = json.loads(STORED.read_text())
    return found


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_never_lower_than_another_optimizer(name: str, fits: dict[str, Fits]) -> None:
    x, s = CASES[name]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for fit, point in zip(fits[name], stored()[name], strict=True):
            share = 1 / (1 + np.exp(-fit.zi_logits[0]))
            mean = np.log(fit.mean[0]) + np.log1p(-share)
            own = log_likelihood(x, s, mean, 1 / fit.theta[0], share)
            assert fit.status[0] != FitStatus.NOT_CONVERGED
            assert own > log_likelihood(x, s, *point) - 1e-6
            assert abs(fit.log_likelihood[0] - own) < 1e-6


@pytest.mark.quick
def test_the_other_likelihood_is_that_of_scipy() -> None:
    x, s = CASES["ten cells"]
    mean, alpha, p = 1.5, 0.7, 0.25
    terms = stats.nbinom.logpmf(x, 1 / alpha, 1 / (1 + alpha * mean / (1 - p) * s))
    expected = np.where(x == 0, np.log(p + (1 - p) * np.exp(terms)), np.log(1 - p) + terms).sum()
    assert log_likelihood(x, s, np.log(mean), alpha, p) == pytest.approx(expected, rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_stored_points_are_the_highest(name: str) -> None:
    x, s = CASES[name]
    with np.errstate(all="ignore"):
        for inflated, point in zip((False, True), stored()[name], strict=True):
            found = log_likelihood(x, s, *highest(x, s, inflated=inflated))
            assert found < log_likelihood(x, s, *point) + 1e-6


@pytest.mark.slow
def test_many_columns_of_ten_cells() -> None:
    """Every status is one of a result, and no likelihood is below the NB's."""
    x, s = ten_cells()
    # A few at a time go through the programs of the columns above.
    for columns in np.array_split(np.arange(1000), 40):
        batch = np.append(x[:, columns], np.full((10, 1), 1e9), axis=1)
        nb = fit_nb(batch, s)
        zinb = fit_zinb(batch, s, nb=nb)
        assert not np.any(nb.status == FitStatus.NOT_CONVERGED)
        assert not np.any(zinb.status == FitStatus.NOT_CONVERGED)
        assert np.all(zinb.log_likelihood >= nb.log_likelihood)


if __name__ == "__main__":
    with np.errstate(all="ignore"):
        maxima = {
            name: [highest(x, s, inflated=inflated) for inflated in (False, True)]
            for name, (x, s) in CASES.items()
        }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(at)}" for name, at in maxima.items())
    STORED.write_text(f"{{\n{lines}\n}}\n")
