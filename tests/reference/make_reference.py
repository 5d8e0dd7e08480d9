"""Write `nb_reference.npz`: exact log-probabilities and derivatives at scattered points.

Run from the repository root, with mpmath installed (a minute; gmpy2 makes it faster):

    python tests/reference/make_reference.py [--seed N] [--points PER_REGION] [--out FILE]

Inputs are rounded to float32 first and the values computed from the rounded inputs in 120 digits,
so that no implementation is charged for the rounding of its arguments. A value v is stored as a
pair of doubles, v = NAME + NAME_lo, which resolves a float64 implementation's last digit.
"""

import argparse
import pathlib

import numpy as np
from mpmath import exp, expm1, log, log1p, loggamma, mp, mpf, psi

mp.dps = 120
HERE = pathlib.Path(__file__).parent
COUNTS = np.array([0, 1, 2, 3, 5, 10, 30, 100, 1e3, 1e4, 1e5, 1e6])


def log_uniform(rng, low, high, n):
    return np.exp(rng.uniform(np.log(low), np.log(high), n)).astype(np.float32)


def drawn(rng, mu, theta):
    """Counts that the law itself would produce."""
    shape = theta.astype(float)
    rate = rng.gamma(shape) / shape * mu
    return np.minimum(rng.poisson(rate), 2**24 - 1)


def regions(rng, n):
    """Region name -> (x, mu, theta), n points each."""
    mu, theta = log_uniform(rng, 1e-3, 1e3, n), log_uniform(rng, 0.05, 100, n)
    yield "typical", drawn(rng, mu, theta), mu, theta
    mu, theta = log_uniform(rng, 1e-3, 1e3, n), log_uniform(rng, 1e3, 1e10, n)
    yield "poisson-limit", drawn(rng, mu, theta), mu, theta
    mu, theta = log_uniform(rng, 1e-3, 1e4, n), log_uniform(rng, 1e-6, 1e-2, n)
    series = rng.logseries(np.minimum(mu / (mu + theta.astype(float)), 1 - 1e-12))
    yield "tiny-theta", np.where(rng.random(n) < 0.7, np.minimum(series, 1e6), 0), mu, theta
    mu, theta = log_uniform(rng, 1e3, 1e6, n), log_uniform(rng, 0.1, 1e10, n)
    yield "large-count", drawn(rng, mu, theta), mu, theta
    mu, theta = log_uniform(rng, 1e-8, 1e7, n), log_uniform(rng, 1e-6, 1e10, n)
    spread = np.floor(log_uniform(rng, 1, 1e6, n))
    yield "random", np.where(rng.random(n) < 0.6, rng.choice(COUNTS, n), spread), mu, theta
    x = rng.choice(COUNTS, n)
    theta = rng.choice([0.5, 1, 1.4616321, 2, 3, 50, 1e4, 1e8, 1e-3], n).astype(np.float32)
    beside = np.nextafter(np.float32(np.maximum(x, 1)), np.float32(rng.choice([0, 1e9])))
    mu = np.where(
        rng.random(n) < 0.5, beside, np.where(rng.random(n) < 0.5, np.maximum(x, 1), theta)
    )
    yield "edge", x, mu.astype(np.float32), theta
    # normalised data: the gamma-function extension
    mu, theta = log_uniform(rng, 1e-2, 1e2, n), log_uniform(rng, 0.05, 1e6, n)
    yield "fractional", log_uniform(rng, 1e-3, 3, n), mu, theta


def sigmoid(z):
    return 1 / (1 + exp(-z))


def softplus(z):
    return z + log1p(exp(-z)) if z > 0 else log1p(exp(z))


def negative_binomial(x, m, t):
    """The log-probability and its derivatives, straight from their definitions."""
    total, n = t + m, x + t
    value = loggamma(n) - loggamma(t) - loggamma(x + 1) + t * log(t / total) + x * log(m / total)
    return {
        "nb": value,
        "nb_x": psi(0, n) - psi(0, x + 1) + log(m / total),
        "nb_mu": t * (x - m) / (m * total),
        "nb_theta": psi(0, n) - psi(0, t) + log(t / total) + (m - x) / total,
        "nb_mu_mu": -x / m**2 + n / total**2,
        "nb_mu_theta": (x - m) / total**2,
        "nb_theta_theta": psi(1, n) - psi(1, t) + m / (t * total) - (m - x) / total**2,
    }


def zero_inflated(x, nb, pi):
    value = nb["nb"]
    weight = sigmoid(value - pi) if x == 0 else mpf(1)
    return {
        "zinb": softplus(value - pi) - softplus(-pi) if x == 0 else value - softplus(pi),
        "zinb_mu": weight * nb["nb_mu"],
        "zinb_theta": weight * nb["nb_theta"],
        "zinb_pi": -expm1(value) * sigmoid(-pi) * (1 - weight) if x == 0 else -sigmoid(pi),
    }


def mixture(first, second, q):
    odds = first["nb"] - second["nb"] + q
    weight_1, weight_2 = sigmoid(odds), sigmoid(-odds)
    return {
        "mix": second["nb"] - q + softplus(odds) - softplus(-q),
        "mix_mu_1": weight_1 * first["nb_mu"],
        "mix_mu_2": weight_2 * second["nb_mu"],
        "mix_theta_1": weight_1 * first["nb_theta"],
        "mix_theta_2": weight_2 * second["nb_theta"],
        "mix_q": sigmoid(-q) - weight_2,
    }


def evaluate(x, mu, theta, pi, mu_2, theta_2, q):
    x, mu, theta, pi, mu_2, theta_2, q = (
        mpf(float(v)) for v in (x, mu, theta, pi, mu_2, theta_2, q)
    )
    nb = negative_binomial(x, mu, theta)
    return nb | zero_inflated(x, nb, pi) | mixture(nb, negative_binomial(x, mu_2, theta_2), q)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=20180)
    parser.add_argument("--points", type=int, default=120, help="points in each region")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "nb_reference.npz")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)

    blocks = list(regions(rng, options.points))
    region = np.concatenate([np.full(len(x), name) for name, x, _, _ in blocks])
    x, mu, theta = (np.concatenate([b[k] for b in blocks]).astype(np.float32) for k in (1, 2, 3))
    n = len(x)
    pi, q = (
        np.clip(rng.normal(0, rng.choice([3, 12], n)), -30, 30).astype(np.float32) for _ in "ab"
    )
    mu_2 = (mu * np.exp(rng.normal(0, 1.5, n))).astype(np.float32)
    other = np.clip(theta * np.exp(rng.normal(0, 1.5, n)), 1e-6, 1e10)
    theta_2 = np.where(rng.random(n) < 1 / 3, theta, other).astype(np.float32)
    inputs = {"x": x, "mu": mu, "theta": theta, "pi": pi, "mu_2": mu_2, "theta_2": theta_2, "q": q}

    values = [evaluate(*row) for row in zip(*inputs.values(), strict=True)]
    stored = {}
    for name in values[0]:
        high = np.array([float(v[name]) for v in values])
        # what 120 digits leave of an exact zero, such as at x = mu
        high[np.abs(high) < 1e-90] = 0
        stored[name] = high
        stored[f"{name}_lo"] = [float(v[name] - mpf(h)) for v, h in zip(values, high, strict=True)]
    np.savez_compressed(options.out, region=region, seed=options.seed, **inputs, **stored)
    print(f"{options.out}: {n} points, {options.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
