"""Quantiles of the negative binomial and of Poisson's distribution."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.extended import values
from jaxnb.cdf.negative_binomial import nb_tails
from jaxnb.cdf.search import Level, level, log_level, smallest_count
from jaxnb.cdf.start import approximate_quantile
from jaxnb.likelihoods.arguments import Scales, on_scales, promote, refuse_tables
from jaxnb.likelihoods.negative_binomial import log_nb

__all__ = [
    "at_edges",
    "given_level",
    "nb_quantile",
    "nb_start",
    "poisson_quantile",
    "valid_parameters",
]


def nb_quantile(
    q: ArrayLike | None = None,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_q: ArrayLike | None = None,
    upper: bool = False,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    r"""The smallest count x at which the negative binomial's F(x) reaches q.

    It is computed in the arithmetic of `nb_cdf`: in one compiled program,
    ``nb_cdf(x) >= q > nb_cdf(x - 1)`` holds exactly. (XLA may round differently in another
    program, so that across programs it holds to one unit in the last place of the probability.)

    Args:
        q: Probability, 0 <= q <= 1.
        mu: Mean, in counts, mu >= 0.
        theta: Inverse dispersion, theta >= 0, as in `nb_cdf`.
        log_q: log(q), instead of `q`.
        upper: Whether `q` is the probability of the upper tail: the smallest x with 1 - F(x) <= q.
        log_mu: log(mu), instead of `mu`.
        log_theta: log(theta), instead of `theta`.

    Returns:
        Whole numbers, in the dtype that the floating arguments promote to. They are not rounded to
        the numbers of float16 or bfloat16 before the search ends. 0 at q = 0, where SciPy has -1,
        infinity at q = 1 (in the upper tail, the other way round), beyond 2**60 and for mu = inf, 0
        where mu or theta is 0, NaN where an argument is NaN or outside its range. Derivatives are
        0.

    Raises:
        TypeError: Of `q` and `log_q`, or of the two scales of a parameter, none or both are given;
            an argument is complex, or a sparse matrix, a table or a tensor.
        ValueError: The shapes do not broadcast.
    """
    parameters, scales = on_scales("nb_quantile", mu=(mu, log_mu), theta=(theta, log_theta))
    (probability,), (kind,) = on_scales("nb_quantile", q=(q, log_q))
    refuse_tables(q=probability)
    return _nb_quantile(kind == "log", upper, scales, probability, *parameters)


def poisson_quantile(
    q: ArrayLike | None = None,
    mu: ArrayLike | None = None,
    *,
    log_q: ArrayLike | None = None,
    upper: bool = False,
    log_mu: ArrayLike | None = None,
) -> Array:
    """The smallest count at which Poisson's F reaches q: `nb_quantile`, theta = inf."""
    return nb_quantile(q, mu, jnp.inf, log_q=log_q, upper=upper, log_mu=log_mu)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _nb_quantile(
    logarithm: bool, upper: bool, scales: Scales, q: ArrayLike, mu: ArrayLike, theta: ArrayLike
) -> Array:
    result_type, arguments = promote(x=q, mu=mu, theta=theta)
    q, mu, theta = map(lax.stop_gradient, arguments)
    q = jnp.broadcast_to(q, jnp.broadcast_shapes(q.shape, mu.shape, theta.shape))
    target = given_level(q, logarithm, upper)
    count = smallest_count(
        lambda x: nb_tails(scales, x, mu, theta),
        lambda x: log_nb(x, mu, theta, jnp.zeros((), x.dtype), scales),
        target,
        nb_start(scales, mu, theta, target.log_lower, target.log_upper),
    )
    mean = jnp.minimum(*values(scales, mu, theta))
    return at_edges(count, target, mean, valid_parameters(scales, mu, theta)).astype(result_type)


def given_level(q: Array, logarithm: bool, upper: bool) -> Level:
    """The level of `q`, a probability or the logarithm of one."""
    return log_level(q, upper) if logarithm else level(q, upper)


def nb_start(scales: Scales, mu: Array, theta: Array, log_lower: Array, log_upper: Array) -> Array:
    """`approximate_quantile` for parameters on their scales."""
    mu, theta = values(scales, mu, theta)
    return approximate_quantile(
        jnp.clip(mu, 1e-30, 1e30), jnp.clip(theta, 1e-30, 1e12), log_lower, log_upper
    )


def at_edges(count: Array, target: Level, mean: Array, valid: Array) -> Array:
    """0 and infinity at the ends of the probabilities, NaN where an argument is invalid.

    Args:
        count: What was found between the ends.
        target: The level.
        mean: A mean that is 0 if all of the probability is at 0.
        valid: Whether the parameters are.
    """
    q = target.value
    lowest, highest = (-jnp.inf, 0.0) if target.logarithm else (0.0, 1.0)
    at_one = (q == (lowest if target.upper else highest)) & (mean > 0)
    count = jnp.where(at_one, jnp.inf, count)
    return jnp.where(valid & (q >= lowest) & (q <= highest), count, jnp.nan)


def valid_parameters(scales: Scales, *parameters: Array) -> Array:
    """Whether none is NaN, nor negative on the linear scale."""
    valid = jnp.asarray(True)
    for scale, parameter in zip(scales, parameters, strict=True):
        valid = valid & (parameter >= (-jnp.inf if scale == "log" else 0.0))
    return valid
