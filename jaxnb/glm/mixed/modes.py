"""Where the integrand over a donor's random effect has its mode, and how wide it is there."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.glm.mixed.nodes import Cells, means, ratio
from jaxnb.glm.mixed.quadrature import DROP

__all__ = ["placed"]

# The mode places the nodes, and need not be exact; it is one Newton step better than this.
_TOLERANCE, _STEPS = 1e-3, 50
# No step changes the linear predictor by more.
_LONGEST_STEP = 2.0
# An end may be this share of its distance too far. Counts of 1e7 without dispersion take 40 steps
# at σ = 4.
_TOO_FAR, _END_STEPS = 0.02, 100


def placed(
    cells: Cells, sigma: Array, modes: Array, *, between_ends: bool
) -> tuple[Array, Array, Array]:
    """The modes of z, and the origin and length of the nodes, each ``(donors, genes)``.

    Args:
        cells: the data at given coefficients.
        sigma: standard deviations of the effects, ``(genes,)``.
        modes: where the search begins, ``(donors, genes)``.
        between_ends: whether the nodes are those of a rule between two ends.
    """
    w, c, a = cells.counts, cells.weights, cells.alpha

    def derivatives(z: Array) -> tuple[Array, Array]:
        mu = means(cells.mu, (sigma * z)[:, None])
        q = 1 / (1 + a * mu)
        first = jnp.sum((w - c * mu) * q, axis=(0, 2))
        second = jnp.sum(mu * q * q * (c + a * w), axis=(0, 2))
        return sigma * first - z, 1 + sigma * sigma * second

    def going_on(state: Any) -> Any:
        _, _, _, step, count = state
        return (jnp.max(jnp.abs(step)) > _TOLERANCE) & (count < _STEPS)

    def better(state: Any) -> Any:
        z, low, high, _, count = state
        first, second = derivatives(z)
        # The curvature is at least 1, so that the mode is between z and z + first. Newton's method
        # alone can cycle: for large means the first derivative hardly changes with z.
        low = jnp.maximum(low, jnp.where(first > 0, z, z + first))
        high = jnp.minimum(high, jnp.where(first > 0, z + first, z))
        # Far above the mean a full step overshoots by so much that as many small ones lead back.
        new = z + jnp.clip(first / second, -longest, longest)
        new = jnp.where((new < low) | (new > high), (low + high) / 2, new)
        return new, low, high, new - z, count + 1

    longest = _LONGEST_STEP / jnp.maximum(sigma, 1e-300)
    far = jnp.full_like(modes, jnp.inf)
    modes, *_ = jax.lax.while_loop(going_on, better, (modes, -far, far, far, 0))
    curvature = derivatives(modes)[1]
    if not between_ends:
        return modes, modes, 1 / jnp.sqrt(curvature)
    # The information on the coefficients is the difference of two numbers that are larger than it
    # by the curvature, and what is left out beyond the ends is a share of these.
    drop = DROP + jnp.log(curvature)

    def value(z: Array) -> Array:
        shift = (sigma * z)[:, None]
        mu = means(cells.mu, shift)
        log1p_t = jnp.log1p(a * mu)
        changing = w * (shift - log1p_t) - c * mu * ratio(a * mu, log1p_t)
        return jnp.sum(changing, axis=(0, 2)) - z * z / 2

    top = value(modes)

    def not_there(state: Any) -> Any:
        z, step, count = state
        return jnp.any(jnp.abs(step) > _TOO_FAR * jnp.abs(z - modes)) & (count < _END_STEPS)

    def nearer(state: Any) -> Any:
        # Newton's method comes from outside and never passes the end, since the fall is convex.
        z, _, count = state
        step = jnp.minimum(value(z) - top + drop, 0) / derivatives(z)[0]
        return z - step, step, count + 1

    # With a curvature of at least 1 the ends are nearer than this.
    reach = jnp.sqrt(2 * drop)
    low, *_ = jax.lax.while_loop(not_there, nearer, (modes - reach, reach, 0))
    high, *_ = jax.lax.while_loop(not_there, nearer, (modes + reach, reach, 0))
    return modes, low, high - low
