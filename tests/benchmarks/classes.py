"""What the checks of the NumPyro class cost over the plain function.

    python tests/benchmarks/classes.py

Prints, for 512 x 2,000 counts, the CPU time of the log-probability through the class, with and
without `validate_args`, and with NumPyro's own check of the sample, over that of the function;
compiled and not.
"""

import jax
import numpy as np
from benchmarks.timing import interleaved
from numpyro.distributions import constraints

import jaxnb


class _NumPyrosCheck(jaxnb.NegativeBinomial):
    def _validate_sample(self, value):
        return constraints.nonnegative_integer(value)


def main() -> None:
    rng = np.random.default_rng(0)
    mu = rng.gamma(2.0, 2.0, (512, 2000)).astype(np.float32)
    theta = rng.gamma(2.0, 1.0, 2000).astype(np.float32)
    x, mu, theta = (jax.numpy.asarray(a) for a in (rng.poisson(mu).astype(np.float32), mu, theta))
    made = {
        "checked": jaxnb.NegativeBinomial(mu=mu, theta=theta, validate_args=True),
        "unchecked": jaxnb.NegativeBinomial(mu=mu, theta=theta, validate_args=False),
        "NumPyro's check": _NumPyrosCheck(mu=mu, theta=theta, validate_args=True),
    }
    eager = {name: lambda d=d: d.log_prob(x).block_until_ready() for name, d in made.items()}
    eager["function"] = lambda: jaxnb.log_nb_positive(x, mu, theta).block_until_ready()
    log_prob = jax.jit(lambda d, x: d.log_prob(x))
    compiled = {
        name: lambda d=d: log_prob(d, x).block_until_ready() for name, d in made.items()
    } | {"function": eager["function"]}
    for title, calls in {"eager": eager, "compiled": compiled}.items():
        times = interleaved(calls, rounds=30, budget=20.0)
        least = {name: min(seconds) for name, seconds in times.items()}
        shown = ", ".join(f"{n} {1e3 * t:.2f} ms" for n, t in least.items())
        ratios = ", ".join(f"{n} {t / least['function']:.2f}" for n, t in least.items())
        print(f"{title}: {shown}; over the function: {ratios}")


if __name__ == "__main__":
    main()
