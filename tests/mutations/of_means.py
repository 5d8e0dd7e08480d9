"""Faults in expectations: entropies, divergences, moments."""

from fault import Fault

__all__ = ["MEANS"]

_DIVERGENCE = ("cdf/test_divergence.py",)

MEANS = (
    Fault(
        "cdf-divergence-poisson",
        "the ratio of an infinite theta and a mean below 1 is infinite, and multiplies 0",
        "cdf/log_ratio.py",
        "(theta * d_theta * jnp.minimum(1 + theta / mu, infinity))",
        "(theta * d_theta * (1 + theta / mu))",
        _DIVERGENCE,
    ),
    Fault(
        "cdf-divergence-reach",
        "the integral of a ratio is taken for steps beyond a zero of the probability next to it",
        "cdf/log_ratio.py",
        '_REACH: Final = {"float32": 1.0, "float64": 1 / 7}',
        '_REACH: Final = {"float32": 1e3, "float64": 1e3}',
        _DIVERGENCE,
    ),
    Fault(
        "cdf-divergence-gamma",
        "a theta far below the other one is taken from their difference",
        "cdf/divergence_sums.py",
        "near = jnp.abs(e) < a / 2",
        "near = jnp.abs(e) < 2 * a",
        _DIVERGENCE,
    ),
    Fault(
        "cdf-divergence-step",
        "the derivative of the logarithm of a ratio of variances has the wrong sign",
        "cdf/log_ratio.py",
        "change += mu / m_1 / theta_1 * tangents[1]",
        "change -= mu / m_1 / theta_1 * tangents[1]",
        _DIVERGENCE,
    ),
    Fault(
        "cdf-divergence-second-mean",
        "the second derivative in the first mean divides a rounding by 1 + v, which is next to 0",
        "cdf/divergence_in_mean.py",
        "-_phi_of_v(x, mu, theta_1, theta_2)",
        "-_phi_of_v.__wrapped__(x, mu, theta_1, theta_2)",
        _DIVERGENCE,
    ),
    Fault(
        "cdf-mode-large-mean",
        "a mean from which no small count can be subtracted has a mode of one more",
        "cdf/kernels/nb.py",
        "mode = jnp.where(mu < whole, mode, rounded)",
        "mode = jnp.where(mu < jnp.inf, mode, rounded)",
        ("cdf/test_moments.py",),
    ),
    Fault(
        "cdf-moments-odds",
        "the derivative of a weight that rounds to 1 is 0",
        "cdf/moments.py",
        "    sigmoid=_sigmoid,",
        "    sigmoid=jax.nn.sigmoid,",
        ("cdf/test_moments.py",),
    ),
    Fault(
        "cdf-moments-truncated-large",
        "derivatives of the zero-truncated variance divide by the square of 1 over a large mean",
        "cdf/kernels/zero_truncated_nb.py",
        "rare = y > _RARE_ZEROS",
        "rare = y > math.inf",
        ("cdf/test_moments.py",),
    ),
)
