"""Time of the distribution functions and quantiles, next to JAX's betainc and SciPy.

    python tests/benchmarks/cdf.py [--markdown FILE]

Means and thetas are log-uniform, from 0.05 to 1000 and to 100 (typical), and from 0.001 to 1e4 and
to 1e6 (wide); counts are drawn from them, probabilities are uniform. One thread. Each round calls
every candidate once, and the ratios are medians over the rounds of ratios within a round, so that a
machine that is busy with other work changes the times and hardly the ratios.
"""

import argparse
import itertools
import os
import pathlib

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
import scipy.stats
from jax.scipy.special import betainc
from timing import interleaved, machine

from jaxnb import cdf

RANGES = {"typical": (0.05, 1e3, 100), "wide": (1e-3, 1e4, 1e6)}


def inputs(n, dtype, low, highest_mu, highest_theta):
    rng = np.random.default_rng(0)
    mu = np.exp(rng.uniform(np.log(low), np.log(highest_mu), n))
    theta = np.exp(rng.uniform(np.log(low), np.log(highest_theta), n))
    x = rng.poisson(rng.gamma(theta) / theta * mu)
    q = rng.uniform(1e-6, 1 - 1e-6, n)
    return [v.astype(dtype) for v in (x, q, mu, theta)]


def candidates(n, dtype, limits):
    x, q, mu, theta = inputs(n, dtype, *limits)
    on_device = [jnp.asarray(v) for v in (x, q, mu, theta)]
    p = theta / (theta + mu)

    def compiled(function, *positions):
        function = jax.jit(function)
        return lambda: function(*(on_device[k] for k in positions))

    def log_betainc(x, mu, theta):
        return jnp.log(betainc(theta, x + 1, theta / (theta + mu)))

    def both_derivatives(x, mu, theta):
        return jax.value_and_grad(lambda *p: cdf.nb_log_cdf(x, *p).sum(), (0, 1))(mu, theta)

    def both_tails(x, mu, theta):
        return cdf.nb_log_cdf(x, mu, theta), cdf.nb_log_sf(x, mu, theta)

    return {
        "log cdf": compiled(cdf.nb_log_cdf, 0, 2, 3),
        "log cdf, log sf": compiled(both_tails, 0, 2, 3),
        "log cdf, gradient": compiled(both_derivatives, 0, 2, 3),
        "JAX betainc": compiled(log_betainc, 0, 2, 3),
        "SciPy betainc": lambda: np.log(scipy.special.betainc(theta, x + 1, p)),
        "quantile": compiled(cdf.nb_quantile, 1, 2, 3),
        "SciPy ppf": lambda: scipy.stats.nbinom.ppf(q, theta, p),
    }


RATIOS = [
    ("log cdf", "JAX betainc"),
    ("log cdf", "SciPy betainc"),
    ("quantile", "SciPy ppf"),
]


def nanoseconds(timed: dict[str, dict[str, np.ndarray]], n: int) -> list[str]:
    """Rows of the medians per element."""
    rows = []
    for name in next(iter(timed.values())):
        cells = [f"{np.median(times[name]) / n * 1e9:.0f}" for times in timed.values()]
        rows.append(f"| {name}, ns | " + " | ".join(cells) + " |")
    return rows


def ratios(timed: dict[str, dict[str, np.ndarray]]) -> list[str]:
    """Rows of the times of the others divided by that of jaxnb."""
    rows = []
    for ours, other in RATIOS:
        cells = [f"{np.median(times[other] / times[ours]):.1f}" for times in timed.values()]
        rows.append(f"| {other} divided by {ours} | " + " | ".join(cells) + " |")
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=100_000, help="elements of each array")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--markdown", type=pathlib.Path)
    options = parser.parse_args()
    timed = {}
    for dtype, name in itertools.product((np.float32, np.float64), RANGES):
        with jax.enable_x64(dtype is np.float64):
            calls = candidates(options.n, dtype, RANGES[name])
            times = interleaved(calls, rounds=options.rounds, budget=60)
        timed[f"{np.dtype(dtype)}, {name}"] = times
    about = f"{machine()}, one thread, medians of ratios within a round."
    title = ["| | " + " | ".join(timed) + " |", "|---" * (len(timed) + 1) + "|"]
    print("\n".join([about, "", *title, *nanoseconds(timed, options.n), *ratios(timed)]))
    if options.markdown:
        options.markdown.write_text("\n".join([about, "", *title, *ratios(timed)]) + "\n")


if __name__ == "__main__":
    main()
