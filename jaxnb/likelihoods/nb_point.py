"""Mean, theta and what follows from their ratio, for every number and on either scale."""

from typing import Final, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.likelihoods.arguments import Scales, largest
from jaxnb.special.log1p import log1p_minus_x_near_zero, log_of_any

__all__ = ["KernelRange", "Point", "kernel_range", "parameter_values", "phi_of_minus", "point_of"]


class KernelRange(NamedTuple):
    """Where `nb_kernel` holds.

    Attributes:
        x: The largest count.
        mu: The largest mean.
        smallest_mu: The smallest mean.
        x_of_tiny_mu: The largest count with which `smallest_mu` / x is a normal number.
        mu_of_large_x: The smallest mean with which the quotient is one for every count.
        smallest_theta: The smallest theta.
    """

    x: float
    mu: float
    smallest_mu: float
    x_of_tiny_mu: float
    mu_of_large_x: float
    smallest_theta: float

    def holds(self, x: Array, mu: Array, theta: Array) -> Array:
        """Whether mean and theta are within the range for a count that is."""
        small = jnp.where(x > self.x_of_tiny_mu, mu >= self.mu_of_large_x, mu >= self.smallest_mu)
        return small & (mu <= self.mu) & (theta >= self.smallest_theta)

    def holds_on(self, scales: Scales, x: Array, a: Array, b: Array, eps: Array) -> Array:
        """Whether all three are, x whole or at least 2, mean and theta on these scales."""
        whole = ((x >= 2) & (x <= self.x)) | (x == 0) | (x == 1)
        on_scale = [np.log if scale == "log" else float for scale in scales]
        mu, floor = (a, jnp.log(eps)) if scales[0] == "log" else (jnp.where(a < 0, jnp.nan, a), eps)
        of_mean = self._replace(
            mu=float(on_scale[0](self.mu)),
            smallest_mu=float(on_scale[0](self.smallest_mu)),
            mu_of_large_x=float(on_scale[0](self.mu_of_large_x)),
            smallest_theta=float(on_scale[1](self.smallest_theta)),
        )
        return whole & of_mean.holds(x, jnp.maximum(mu, floor), b)


_RANGES: Final = {
    "float32": KernelRange(2.0**60, 2.0**70, 2.0**-100, 2.0**26, 2.0**-66, 2.0**-50),
    "float64": KernelRange(2.0**60, 2.0**500, 2.0**-964, 2.0**57, 2.0**-960, 2.0**-400),
}


def kernel_range(dtype: jnp.dtype) -> KernelRange:
    """The range of `nb_kernel` in a dtype."""
    return _RANGES[dtype.name]


def parameter_values(scales: Scales, a: Array, b: Array, eps: Array) -> tuple[Array, Array, Array]:
    """Mu, not below the floor, theta, and whether mu was below; NaN for a negative mean."""
    floor = jnp.log(eps) if scales[0] == "log" else eps
    below = a < floor
    mean = jnp.where(below, floor, a)
    mu = jnp.exp(mean) if scales[0] == "log" else jnp.where(a < 0, jnp.nan, mean)
    return mu, jnp.exp(b) if scales[1] == "log" else b, below


class Point(NamedTuple):
    """Arguments of the negative binomial, m = theta + mu.

    Attributes:
        x: The count, 0 where it is negative, bounded above.
        mu: The mean, not below the floor, possibly 0 or infinite.
        theta: Theta, possibly 0; infinite only where mu is large too.
        log_mu: The logarithm of mu, bounded.
        log_theta: That of theta.
        ratio: The smaller of mu and theta over the larger one.
        distance: |log(mu) - log(theta)|.
        theta_larger: Whether theta is the larger one.
        mu_large: Whether mu is so large that x - mu is -mu.
        below_floor: Whether the mean given was below the floor.
    """

    x: Array
    mu: Array
    theta: Array
    log_mu: Array
    log_theta: Array
    ratio: Array
    distance: Array
    theta_larger: Array
    mu_large: Array
    below_floor: Array

    @property
    def p(self) -> Array:
        """theta / m."""
        return jnp.where(self.theta_larger, 1.0, self.ratio) / (1 + self.ratio)

    @property
    def q(self) -> Array:
        """mu / m."""
        return jnp.where(self.theta_larger, self.ratio, 1.0) / (1 + self.ratio)

    @property
    def log_q(self) -> Array:
        """log(mu / m)."""
        return -jnp.where(self.theta_larger, self.distance, 0.0) - jnp.log1p(self.ratio)

    @property
    def log_p(self) -> Array:
        """log(theta / m)."""
        return -jnp.where(self.theta_larger, 0.0, self.distance) - jnp.log1p(self.ratio)

    @property
    def phi(self) -> Array:
        """log(p) + q = log(1 - q) + q."""
        return phi_of_minus(self.q, self.log_p)

    @property
    def theta_q(self) -> Array:
        """theta mu / m."""
        mu = jnp.where(self.theta_larger, self.mu, 0.0)
        theta = jnp.where(self.theta_larger, 0.0, self.theta)
        return mu * self.p + theta * self.q

    @property
    def inverse_mu(self) -> Array:
        """1 / mu, or the largest number."""
        return _inverse(self.mu, self.log_mu)

    @property
    def inverse_theta(self) -> Array:
        """1 / theta, or the largest number."""
        return _inverse(self.theta, self.log_theta)

    @property
    def inverse_m(self) -> Array:
        """1 / m, or the largest number."""
        of_mu = self.q * self.inverse_mu
        return jnp.where(self.theta_larger, self.p * self.inverse_theta, of_mu)

    @property
    def p_over_mu(self) -> Array:
        """p / mu, or the largest number."""
        info = np.finfo(self.mu.dtype)
        exponent = jnp.minimum(self.log_p - self.log_mu, float(np.log(info.max)) - 1e-3)
        normal = jnp.minimum(self.mu, self.p) >= float(info.tiny)
        return jnp.where(normal, self.p * self.inverse_mu, jnp.exp(exponent))

    @property
    def x_minus_mu(self) -> Array:
        """x - mu, for a mu that is not large."""
        return self.x - jnp.where(self.mu_large, 0.0, self.mu)

    @property
    def c(self) -> Array:
        """(x - mu) / m, finite."""
        limit = float(np.finfo(self.x.dtype).max)
        large = self.x * self.inverse_m - self.q
        c = jnp.where(self.mu_large, large, self.x_minus_mu * self.inverse_m)
        return jnp.clip(c, -limit, limit)

    @property
    def n(self) -> Array:
        """x + theta, positive."""
        return jnp.maximum(self.x + self.theta, float(np.finfo(self.x.dtype).tiny))


def point_of(scales: Scales, x: Array, a: Array, b: Array, eps: Array) -> Point:
    """The point at mean a and theta b, each on its scale; NaN for negative ones."""
    mu, theta, below = parameter_values(scales, a, b, eps)
    # of a itself: to the compiler the floored mean is a maximum, which loses subnormal numbers
    log_mu = _bounded(jnp.where(below, jnp.log(eps), a if scales[0] == "log" else log_of_any(a)))
    log_theta = _bounded(b if scales[1] == "log" else log_of_any(theta))
    large = mu > kernel_range(mu.dtype).mu
    infinity = largest(theta.dtype)
    log_infinity = float(np.log(infinity))
    theta = jnp.where(large, theta, jnp.minimum(theta, infinity))
    log_theta = jnp.where(large, log_theta, jnp.minimum(log_theta, log_infinity))
    difference = jnp.abs(log_mu - log_theta)
    ratio = jnp.exp(-difference)
    if scales == ("linear", "linear"):
        smaller, larger = jnp.minimum(mu, theta), jnp.maximum(mu, theta)
        tiny = float(np.finfo(mu.dtype).tiny)
        usable = (smaller >= tiny) & (larger < jnp.inf) & (difference < -float(np.log(tiny)))
        quotient = jnp.where(usable, smaller, 1.0) / jnp.where(usable, larger, 1.0)
        ratio = jnp.where(usable, quotient, ratio)
        difference = jnp.where(usable, -jnp.log(quotient), difference)
    inside = jnp.where(x < 0, 0.0, jnp.minimum(x, infinity))
    theta_larger = log_theta >= log_mu
    return Point(
        inside, mu, theta, log_mu, log_theta, ratio, difference, theta_larger, large, below
    )


def phi_of_minus(q: Array, log_p: Array) -> Array:
    """phi(-q) = log(1 - q) + q, where the logarithm is given."""
    near = q < 1 / 3
    return jnp.where(near, log1p_minus_x_near_zero(-jnp.where(near, q, 0.25)), log_p + q)


def _bounded(log_value: Array) -> Array:
    """Finite, so that no difference is NaN, and beyond every number that occurs."""
    return jnp.clip(log_value, -1e9, 1e9)


def _inverse(value: Array, log_value: Array) -> Array:
    info = np.finfo(value.dtype)
    normal = value >= float(info.tiny)
    exponent = jnp.minimum(-log_value, float(np.log(info.max)) - 1e-3)
    return jnp.where(normal, 1 / jnp.where(normal, value, 1.0), jnp.exp(exponent))
