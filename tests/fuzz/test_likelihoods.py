"""Random arguments over the whole range of the dtype against an exact oracle.

Silent errors are looked for: a value off by more than 4 units of max(1, |value|) eps, a derivative
of the wrong sign or off by more than 1e-4, a NaN. hypothesis prints the seed and the arguments of a
failure. The default run draws some hundred batches; `pytest -m slow tests/fuzz` 100,000 arguments.
"""

import contextlib

import jax
import mpmath
import numpy as np
import pytest
from fuzz import oracle
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from likelihoods.programs import SIZE, derivatives

BATCH = 16  # one compiled program for every example
EXPONENTS = {"float32": 126, "float64": 1022}
CORNERS = {
    "x": [0, 1, 2, 3, 0.5, 1.5, 2.5, 1e7, 2.0**24],
    "mu": [1e-30, 1e-8, 1.0, 1e7, 1e30],
    "theta": [1e-15, 1e-8, 1.0, 2.0, 1e7, 1e30],
}
THETA_OF_POISSON = {"float32": 2.0**99, "float64": 2.0**798}  # derivatives in theta may be 0 beyond
SLOW = [pytest.param(6000, marks=pytest.mark.slow)]


def arguments(dtype):
    """x, mu and theta in batches: corners, typical numbers, and the whole range of exponents."""

    def drawn(seed_of_batch, wide):
        rng = np.random.default_rng(seed_of_batch)
        kind = rng.integers(0, 4, BATCH)
        x = np.select(
            [kind == 0, kind == 1, kind == 2],
            [
                rng.integers(0, 6, BATCH),
                np.floor(10 ** rng.uniform(0, 7, BATCH)),
                rng.uniform(0, 4, BATCH),
            ],
            rng.choice(CORNERS["x"], BATCH),
        )
        limit = EXPONENTS[dtype]
        parameters = []
        for name, low, high in (("mu", -30, 25), ("theta", -25, 35)):
            low, high = (-limit, limit) if wide else (low, high)
            drawn = np.ldexp(rng.uniform(1, 2, BATCH), rng.integers(low, high, BATCH))
            corner = rng.random(BATCH) < 0.1
            parameters.append(np.where(corner, rng.choice(CORNERS[name], BATCH), drawn))
        return [np.asarray(a, dtype) for a in (x, *parameters)]

    return st.builds(drawn, st.integers(0, 2**32 - 1), st.booleans())


@contextlib.contextmanager
def precision(dtype):
    with jax.enable_x64(dtype == "float64"), mpmath.workdps(oracle.DIGITS[dtype]):
        yield


def fuzz(examples):
    return lambda test: seed(20261124)(
        settings(
            max_examples=examples,
            deadline=None,
            database=None,
            print_blob=True,
            phases=[Phase.generate],  # a smaller seed is no simpler batch
            suppress_health_check=list(HealthCheck),
        )(test)
    )


def units(got, expected, dtype):
    """The error in units of max(1, |expected|) eps; 0 where both overflow."""
    info = np.finfo(dtype)
    limit = mpmath.mpf(float(info.max))
    if abs(expected) > limit:
        return 0.0 if abs(got) >= limit * (1 - 1e-3) else np.inf
    if not np.isfinite(got):
        return np.inf
    return float(abs(mpmath.mpf(float(got)) - expected) / (max(1, abs(expected)) * float(info.eps)))


def well_conditioned(expected, change, dtype):
    """Whether one rounding of the arguments moves a derivative by less than 1e-5 of itself."""
    tiny = 1e-16 if dtype == "float32" else 1e-150  # below, 0 is as good
    return abs(expected) > tiny and change * float(np.finfo(dtype).eps) < 1e-5 * abs(expected)


def check_derivative(got, expected, change, where, dtype):
    assert not np.isnan(got), where
    limit = float(np.finfo(dtype).max)
    if abs(expected) >= limit:
        assert abs(got) >= 0.99 * limit, where
    elif well_conditioned(expected, change, dtype):
        relative = abs(mpmath.mpf(float(got)) / expected - 1)
        assert relative < 1e-4, (where, float(got), float(expected))


def evaluated(name, batch, **options):
    """Value and derivatives by the program that all tests of likelihoods share."""
    arrays = derivatives(name, *(np.resize(a, SIZE) for a in batch), **options)
    return [a[..., :BATCH] for a in arrays]


def _nb(*batch):
    return evaluated("negative_binomial", batch, second=True)


@pytest.mark.parametrize("examples", [10, *SLOW])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nb(dtype, examples):
    @fuzz(examples if dtype == "float32" else max(2, examples // 8))
    @given(arguments(dtype))
    def run(batch):
        with precision(dtype):
            value, gradient, hessian = _nb(*batch)
            for i, point in enumerate(zip(*batch, strict=True)):
                x, mu, theta = (mpmath.mpf(float(a)) for a in point)
                assert units(value[i], oracle.nb(x, mu, theta), dtype) <= 4, point
                d = oracle.nb_derivatives(x, mu, theta)
                cross = abs(d["mu,theta"])
                change = abs(mu * d["mu,mu"]) + theta * cross
                check_derivative(gradient[0][i], d["mu"], change, ("mu", point), dtype)
                change = mu * cross + abs(theta * d["theta,theta"]) + abs(x * mu / theta**2)
                check_derivative(gradient[1][i], d["theta"], change, ("theta", point), dtype)
                for row in hessian:
                    assert not np.isnan(row[:, i]).any(), point

    run()


def _log_scale(*batch):
    return evaluated("negative_binomial", batch, second=True, log_scale=True)


@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.quick), "float64"])
@pytest.mark.parametrize("log", ["", pytest.param("log_", marks=pytest.mark.slow)])
def test_fractional_counts_close_to_one(log, dtype):
    """At a count of 1 the derivatives in theta vanish with the mean: next to it, they nearly do."""
    rng = np.random.default_rng(5)
    first, second = [], []
    for _ in range(12):
        x = (1 + rng.choice([-1, 1], BATCH) * 10 ** rng.uniform(-6, -0.3, BATCH)).astype(dtype)
        mu = (10 ** rng.uniform(-25, 3, BATCH)).astype(dtype)
        theta = (10 ** rng.uniform(-8, 6, BATCH)).astype(dtype)
        with precision(dtype), mpmath.workdps(oracle.DIGITS["float32"]):
            if log:
                mu, theta = np.log(mu), np.log(theta)
            _, gradient, hessian = (_log_scale if log else _nb)(x, mu, theta)
            for i in range(BATCH):
                count, *point = (mpmath.mpf(float(a[i])) for a in (x, mu, theta))
                d = oracle.nb_derivatives(count, *(map(mpmath.exp, point) if log else point))
                exact = d[f"{log}theta"], d[f"{log}theta,{log}theta"]
                first.append(float(abs(mpmath.mpf(float(gradient[1][i])) / exact[0] - 1)))
                second.append(float(abs(mpmath.mpf(float(hessian[1][1][i])) / exact[1] - 1)))
    assert np.percentile(first, 90) < 10 * np.finfo(dtype).eps
    assert np.percentile(second, 90) < 10 * np.finfo(dtype).eps


@pytest.mark.slow
@pytest.mark.parametrize("examples", [10, *SLOW])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log_scale(dtype, examples):
    @fuzz(examples if dtype == "float32" else max(2, examples // 8))
    @given(arguments(dtype))
    def run(batch):
        with precision(dtype):
            batch = [batch[0], *(np.log(a).astype(dtype) for a in batch[1:])]
            value, gradient, hessian = _log_scale(*batch)
            for i, point in enumerate(zip(*batch, strict=True)):
                x, a, b = (mpmath.mpf(float(v)) for v in point)
                mu, theta = mpmath.exp(a), mpmath.exp(b)
                d = oracle.nb_derivatives(x, mu, theta)
                rounding = abs(a * d["log_mu"]) + abs(b * d["log_theta"])
                expected = oracle.nb(x, mu, theta)
                granted = float(rounding / max(1, abs(expected)))
                assert units(value[i], expected, dtype) <= 4 + granted, point
                # the derivative in log(theta) underflows with that in theta
                underflow = theta * float(np.finfo(dtype).tiny)
                for k, name in enumerate(("log_mu", "log_theta")):
                    if k and theta > THETA_OF_POISSON[dtype] and gradient[k][i] == 0:
                        continue
                    if k and abs(gradient[k][i] - d[name]) < underflow:
                        continue
                    along_theta = d["log_mu,log_theta" if k == 0 else "log_theta,log_theta"]
                    along_mu = d["log_mu,log_mu" if k == 0 else "log_mu,log_theta"]
                    change = abs(a * along_mu) + abs(b * along_theta) + (x * mu / theta if k else 0)
                    where = (name, point)
                    check_derivative(gradient[k][i], d[name], change, where, dtype)
                for row in hessian:
                    assert not np.isnan(row[:, i]).any(), point

    run()


@pytest.mark.parametrize("examples", [8, *SLOW])
def test_zinb_and_mixture(examples):
    @fuzz(examples)
    @given(arguments("float32"), arguments("float32"), st.integers(0, 2**32 - 1))
    def run(first, second, seed_of_q):
        with precision("float32"):
            q = np.random.default_rng(seed_of_q).uniform(-30, 30, BATCH).astype("f")
            batch = [*first, *second[1:], q]
            x, mu, theta, mu_2, theta_2, _ = batch
            zinb, of_zinb = evaluated("zero_inflated_negative_binomial", (x, mu, theta, q))
            both = (x, mu, mu_2, theta, theta_2, q)
            mixture, of_mixture = evaluated("negative_binomial_mixture", both)
            for i, point in enumerate(zip(*batch, strict=True)):
                x, mu, theta, mu_2, theta_2, odds = (mpmath.mpf(float(a)) for a in point)
                nb, other = oracle.nb(x, mu, theta), oracle.nb(x, mu_2, theta_2)
                if x == 0:
                    expected = oracle.mixed(mpmath.mpf(0), nb, odds)
                else:
                    expected = nb - mpmath.log1p(mpmath.exp(odds))
                assert units(zinb[i], expected, "float32") <= 4, point
                assert units(mixture[i], oracle.mixed(nb, other, odds), "float32") <= 4, point
            assert np.isfinite(of_zinb).all(), batch
            assert np.isfinite(of_mixture).all(), batch

    run()
