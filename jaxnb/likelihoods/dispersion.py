"""What the negative binomial needs of theta alone, computed once per theta."""

from math import log, pi
from typing import NamedTuple

import jax.numpy as jnp

from jaxnb._materialize import materialize
from jaxnb._types import Array
from jaxnb.likelihoods.arguments import bounded_theta
from jaxnb.special.gamma import (
    RECURRENCE_STEPS,
    digamma_gap_steps,
    reciprocal_argument,
    stirling_error,
    trigamma_gap_steps,
)

__all__ = ["Dispersion", "dispersion"]


class Dispersion(NamedTuple):
    """Quantities that depend on theta alone.

    Attributes:
        theta: Theta within (0, infinity): its limits are replaced by stand-ins.
        weight: The same, but 0 where theta is 0.
        inverse: 1 / theta.
        steps: How many steps of the recurrence are taken: 2 where theta < 2, else 0.
        p: The reciprocal argument of theta + steps.
        log_scale: A(theta) of `dispersion`.
        variance_scale: w(theta) of `dispersion`.
        digamma_step: eta(theta) - eta(theta + steps).
        trigamma_step: zeta(theta) - zeta(theta + steps).
    """

    theta: Array
    weight: Array
    inverse: Array
    steps: Array
    p: Array
    log_scale: Array
    variance_scale: Array
    digamma_step: Array
    trigamma_step: Array


def dispersion(theta: Array, *, finish: bool) -> Dispersion:
    """Everything that the likelihood and its derivatives need of theta alone.

    Stirling's formula for log Gamma(theta) enters the log-likelihood as A(theta) - log(w(theta))/2.
    For theta >= 2, A = -delta(theta) and w = 2 pi / theta. Below that,
    delta(z) = delta(z+1) + (z + 1/2) log(1 + 1/z) - 1 applied twice gives w = 1 and

        A = 2 - log(2 pi)/2 + (1 + theta) log(theta) + log(1 + theta)
            - (theta + 3/2) log(theta + 2) - delta(theta + 2),

    where no term is large but the first logarithm, which is part of the result.

    Args:
        theta: Inverse dispersion, float32 or float64; NaN where it is negative.
        finish: Finish these arrays before the caller's element-wise work. Where theta is smaller
            than the counts, that saves XLA from computing them again for every element.
    """
    bounded = bounded_theta(theta)
    small = theta < RECURRENCE_STEPS
    t = jnp.where(small, bounded, 1.0)
    p = reciprocal_argument(jnp.where(small, bounded + RECURRENCE_STEPS, bounded))
    recurrence = (
        2 - log(2 * pi) / 2 + (1 + t) * jnp.log(t) + jnp.log(1 + t) - (t + 1.5) * jnp.log(t + 2)
    )
    parts = Dispersion(
        theta=bounded,
        weight=jnp.where(theta == 0, 0.0, bounded),
        inverse=1 / bounded,
        steps=jnp.where(small, RECURRENCE_STEPS, 0).astype(theta.dtype),
        p=p,
        log_scale=jnp.where(small, recurrence, 0.0) - stirling_error(p),
        variance_scale=jnp.where(small, 1.0, 2 * pi / bounded),
        digamma_step=jnp.where(small, digamma_gap_steps(t), 0.0),
        trigamma_step=jnp.where(small, trigamma_gap_steps(t), 0.0),
    )
    return Dispersion(*materialize(*parts)) if finish else parts
