"""What the negative binomial needs of theta alone, computed once per theta."""

from math import log, pi
from typing import NamedTuple

import jax.numpy as jnp

from jaxnb._materialize import materialize
from jaxnb._types import Array
from jaxnb.likelihoods.arguments import largest
from jaxnb.special.gamma import (
    RECURRENCE_STEPS,
    digamma_remainder_steps,
    reciprocal_argument,
    stirling_error,
    trigamma_remainder_steps,
)

__all__ = ["Dispersion", "dispersion"]


class Dispersion(NamedTuple):
    """Quantities that depend on theta alone.

    Attributes:
        theta: Theta, with a stand-in for numbers beyond `largest`.
        inverse: 1 / theta.
        steps: How many steps of the recurrence are taken: 2 where theta < 2, else 0.
        p: The reciprocal argument of theta + steps.
        log_scale: A(theta) of `dispersion`.
        scale_less_log: A(theta) - log(theta) where steps are taken, else A(theta).
        variance_scale: w(theta) of `dispersion`.
        digamma_step: eta(theta) - eta(theta + steps).
        step_less_inverse: `digamma_step` - 1 / theta, without cancellation for theta < 2.
        trigamma_step: zeta(theta) - zeta(theta + steps).
        curvature_step: theta digamma_step - theta**2 trigamma_step, without cancellation.
    """

    theta: Array
    inverse: Array
    steps: Array
    p: Array
    log_scale: Array
    scale_less_log: Array
    variance_scale: Array
    digamma_step: Array
    step_less_inverse: Array
    trigamma_step: Array
    curvature_step: Array


def dispersion(theta: Array, *, materialized: bool) -> Dispersion:
    """Everything that the likelihood and its derivatives need of theta alone.

    Stirling's formula for log Gamma(theta) enters the log-likelihood as A(theta) - log(w(theta))/2.
    For theta >= 2, A = -delta(theta) and w = 2 pi / theta. Below that,
    delta(z) = delta(z+1) + (z + 1/2) log(1 + 1/z) - 1 applied twice gives w = 1 and

        A = 2 - log(2 pi)/2 + (1 + theta) log(theta) + log(1 + theta)
            - (theta + 3/2) log(theta + 2) - delta(theta + 2),

    where no term is large but the first logarithm, which is part of the result.

    Args:
        theta: Inverse dispersion, a positive normal number or infinity, float32 or float64.
        materialized: Compute these arrays in full before the caller's element-wise work. Where
            theta is smaller than the counts, that saves XLA from computing them again for every
            element.
    """
    bounded = jnp.minimum(theta, largest(theta.dtype))
    small = theta < RECURRENCE_STEPS
    t = jnp.where(small, bounded, 1.0)
    p = reciprocal_argument(jnp.where(small, bounded + RECURRENCE_STEPS, bounded))
    log_t = jnp.log(t)
    less_log = 2 - log(2 * pi) / 2 + t * log_t + jnp.log(1 + t) - (t + 1.5) * jnp.log(t + 2)
    parts = Dispersion(
        theta=bounded,
        inverse=1 / bounded,
        steps=jnp.where(small, RECURRENCE_STEPS, 0).astype(theta.dtype),
        p=p,
        log_scale=jnp.where(small, less_log + log_t, 0.0) - stirling_error(p),
        scale_less_log=jnp.where(small, less_log, 0.0) - stirling_error(p),
        variance_scale=jnp.where(small, 1.0, 2 * pi / bounded),
        digamma_step=jnp.where(small, digamma_remainder_steps(t), 0.0),
        step_less_inverse=jnp.where(
            small, digamma_remainder_steps(t + 1, 1) - jnp.log1p(1 / t), -1 / bounded
        ),
        trigamma_step=jnp.where(small, trigamma_remainder_steps(t), 0.0),
        curvature_step=jnp.where(small, _curvature_steps(t), 0.0),
    )
    return Dispersion(*materialize(*parts)) if materialized else parts


def _curvature_steps(t: Array) -> Array:
    """The sum over z = t and t + 1 of t (1/z - log(1 + 1/z)) - t**2 / (z**2 (z + 1)).

    At z = t the ones of both parts are taken out: t / (1 + t) - t log(1 + 1/t).
    """
    z = t + 1
    first = t / z - t * jnp.log1p(1 / t)
    return first + t * (1 / z - jnp.log1p(1 / z)) - (t / z) ** 2 / (z + 1)
