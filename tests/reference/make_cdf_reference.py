"""Exact values of the distribution functions and their derivatives, for the tests.

Run from the repository root, with mpmath installed (some minutes):

    python tests/reference/make_cdf_reference.py

Every argument is a float32 number. The regularized incomplete beta function is evaluated by its
continued fraction (DLMF 8.17.22) in 60 digits, derivatives are central differences in 60 digits,
and each value is stored as the sum of two float64 numbers. None of this resembles the method of
`jaxnb.cdf`.
"""

import argparse
import pathlib

import numpy as np
from mpmath import exp, gammainc, log, log1p, loggamma, mp, mpf

TARGET = pathlib.Path(__file__).parent / "cdf_reference.npz"
SEED = 20240611
mp.dps = 60
STEP = mpf(10) ** -20
SECOND_STEP = mpf(10) ** -12


def points(rng: np.random.Generator) -> dict[str, np.ndarray]:
    def uniform(low: float, high: float, n: int) -> np.ndarray:
        return np.exp(rng.uniform(np.log(low), np.log(high), n)).astype(np.float32)

    def draw(mu: np.ndarray, theta: np.ndarray) -> np.ndarray:
        rate = rng.gamma(theta.astype(float)) / theta * mu
        return np.minimum(rng.poisson(rate), 2**24).astype(np.float32)

    regions = {}
    mu, theta = uniform(1e-3, 1e3, 140), uniform(0.05, 100, 140)
    regions["typical"] = draw(mu, theta), mu, theta
    mu, theta = uniform(1e-2, 1e3, 60), uniform(1e3, 1e10, 60)
    regions["poisson limit"] = draw(mu, theta), mu, theta
    mu, theta = uniform(1e-3, 1e4, 60), uniform(1e-6, 1e-1, 60)
    regions["tiny theta"] = np.floor(uniform(1, 1e4, 60)) - 1, mu, theta
    mu, theta = uniform(1e2, 1e6, 60), uniform(0.1, 1e8, 60)
    regions["large count"] = draw(mu, theta), mu, theta
    mu, theta = uniform(1e-2, 1e4, 80), uniform(0.05, 1e6, 80)
    regions["far tail"] = np.floor(uniform(1, 3e4, 80)) - 1, mu, theta
    mu, theta = uniform(1e-8, 1e6, 80), uniform(1e-6, 1e10, 80)
    regions["random"] = np.floor(uniform(1, 1e5, 80)) - 1, mu, theta
    mu = uniform(1e-2, 1e5, 50)
    regions["poisson"] = rng.poisson(mu).astype(np.float32), mu, np.full(50, np.inf, np.float32)
    stacked = [np.concatenate(v) for v in zip(*regions.values(), strict=True)]
    names = [name for name, v in regions.items() for _ in v[0]]
    return dict(zip(("x", "mu", "theta"), stacked, strict=True), region=np.array(names))


def log_tails(x: int, mu: mpf, theta: mpf) -> tuple[mpf, mpf]:
    """log F and log(1 - F): the smaller one directly, the other from it."""
    if mp.isinf(theta):
        lower = mu > x + 1
        ends = (mu, mp.inf) if lower else (0, mu)
        small = log(gammainc(x + 1, *ends, regularized=True))
    else:
        p = theta / (theta + mu)
        lower = p < (theta + 1) / (theta + x + 3)
        small = log_incomplete_beta(
            *((theta, mpf(x + 1), p) if lower else (mpf(x + 1), theta, 1 - p))
        )
    other = log1p(-exp(small))
    return (small, other) if lower else (other, small)


def log_incomplete_beta(a: mpf, b: mpf, t: mpf) -> mpf:
    """log I_t(a, b) for t < (a + 1) / (a + b + 2), by Lentz's algorithm."""
    front = a * log(t) + b * log1p(-t) - log(a) + loggamma(a + b) - loggamma(a) - loggamma(b)
    c, d = mpf(1), 1 / (1 - (a + b) * t / (a + 1))
    value, k = d, 0
    while True:
        k += 1
        numerator = k * (b - k) * t / ((a + 2 * k - 1) * (a + 2 * k))
        d, c = 1 / (1 + numerator * d), 1 + numerator / c
        value *= d * c
        numerator = -(a + k) * (a + b + k) * t / ((a + 2 * k) * (a + 2 * k + 1))
        d, c = 1 / (1 + numerator * d), 1 + numerator / c
        value *= d * c
        if abs(d * c - 1) < mpf(10) ** -50:
            return front + log(value)


def row(x: int, mu: mpf, theta: mpf, second: bool) -> dict[str, mpf]:
    """Both logarithms, their first derivatives and, if asked for, the second ones of log F."""
    values = dict(zip(("log_cdf", "log_sf"), log_tails(x, mu, theta), strict=True))
    shifted = {}
    for name in ("mu", "theta"):
        if name == "theta" and mp.isinf(theta):
            difference = (mpf(0), mpf(0))
        else:
            high, low = (
                log_tails(
                    x,
                    mu * (1 + sign * STEP * (name == "mu")),
                    theta * (1 + sign * STEP * (name == "theta")) if mp.isfinite(theta) else theta,
                )
                for sign in (1, -1)
            )
            width = 2 * STEP * (mu if name == "mu" else theta)
            difference = tuple(
                (above - below) / width for above, below in zip(high, low, strict=True)
            )
        values[f"log_cdf_{name}"], values[f"log_sf_{name}"] = difference
    if second:
        for i, j in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0), (0, 1), (1, -1), (1, 0), (1, 1)):
            shifted[i, j] = log_tails(x, mu * (1 + i * SECOND_STEP), theta * (1 + j * SECOND_STEP))[
                0
            ]
        h, k = SECOND_STEP * mu, SECOND_STEP * theta
        center = shifted[0, 0]
        values["log_cdf_mu_mu"] = (shifted[1, 0] - 2 * center + shifted[-1, 0]) / h**2
        values["log_cdf_theta_theta"] = (shifted[0, 1] - 2 * center + shifted[0, -1]) / k**2
        corners = shifted[1, 1] - shifted[1, -1] - shifted[-1, 1] + shifted[-1, -1]
        values["log_cdf_mu_theta"] = corners / (4 * h * k)
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=TARGET)
    target = parser.parse_args().out
    stored = points(np.random.default_rng(SEED))
    columns: dict[str, list[mpf]] = {}
    for x, mu, theta, region in zip(*stored.values(), strict=True):
        second = region == "typical"
        values = row(int(x), mpf(float(mu)), mpf(float(theta)), second)
        for name, value in values.items():
            columns.setdefault(name, []).append(value)
    for name, column in columns.items():
        high = np.array([float(v) for v in column])
        stored[name] = high
        stored[f"{name}_lo"] = np.array(
            [float(v - mpf(h)) for v, h in zip(column, high, strict=True)]
        )
    np.savez_compressed(target, **stored)


if __name__ == "__main__":
    main()
