"""Where the formulas of `nb_kernel` hold, and how arguments from outside are moved there.

Notation: t = theta, m = t + mu, n = x + t, p = t / m, q = mu / m; l is the log-probability. A 0
marks a quantity at the point that was moved to. Each of these holds to rounding:

`small`   theta below the range. For x > 0 the probability is t times a function of t / mu, so that
          t and mu are scaled up together by `up`: l = l_0 - log(up). At x = 0, l = l_0 / up.
`under`   mu below the range. With r = mu / mu_0, l = l_0 + x log(r) for x > 0, and r l_0 at 0.
`over`    mu above the range. Next to mu the count is nothing: with r_over = mu_0 / mu,
          l = l_0 + t log(r_over).
`huge`    x above the range; or mu above it, where x is not a small count or theta is too large for
          form `over`; not with a small theta. All three are scaled down by f, a power of 2: the
          deviance, which is nearly all of l, is proportional to them, and what is left of
          Stirling's formula is that of the arguments themselves (`nb_kernel`). Where theta is large
          a small count is nothing.
`far`     x above the range, or no small count in form `over`, with a small theta; or x / m above
          its range. Stirling's formula for both gamma functions of x is exact: l = l_0 +
          (x - x_0) log(q) + (t - 1) log(x / x_0).
`fraction`  a count between 0 and 2 that is not whole. The kernel is evaluated at x + 2 and a mean
          of x + 1, and `nb_fraction` leads back.
"""

from typing import Final, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.likelihoods.arguments import Scale, Scales, largest
from jaxnb.likelihoods.dispersion import Dispersion, dispersion
from jaxnb.likelihoods.limits import limits
from jaxnb.special.elementary import LOG_2, power_of_two
from jaxnb.special.log1p import log, log_of_any, product_of_any

__all__ = [
    "Point",
    "Scale",
    "Theta",
    "ThetaMove",
    "move",
    "ordinary",
    "theta_within",
]

_FAR: Final = 1e30  # bounds logarithms, so that 0 times one of them is 0
_INFINITE: Final = 1e8  # a logarithm beyond it is that of 0 or infinity


class ThetaMove(NamedTuple):
    """How theta was moved into the range.

    Attributes:
        nothing: Whether theta is 0.
        small: Whether it is below the range.
        up: The factor of form `small`, else 1.
        down: Its reciprocal.
        log_up: Its logarithm.
        value: Theta, positive.
        log_value: Its logarithm, if that was given.
        inverse: 1 / theta.
        high: The largest mean with this theta.
        log_reach: The logarithm of the largest count and mean.
    """

    nothing: Array
    small: Array
    up: Array
    down: Array
    log_up: Array
    value: Array
    log_value: Array | None
    inverse: Array
    high: Array
    log_reach: Array


class Theta(NamedTuple):
    """What depends on theta alone.

    Attributes:
        d: What the formulas need of theta as it was moved.
        value: Theta itself, positive.
        move: None if theta is `ordinary`.
    """

    d: Dispersion
    value: Array
    move: ThetaMove | None


def theta_within(b: Array, scale: Scale, *, materialized: bool, everywhere: bool) -> Theta:
    """Theta, given on a scale, moved into the range.

    Args:
        b: Theta or its logarithm.
        scale: Which of the two.
        materialized: As for `dispersion`.
        everywhere: Whether the theta may be any number; else it is `ordinary`.
    """
    within, info = limits(b.dtype), np.finfo(b.dtype)
    infinity = largest(b.dtype)
    theta = jnp.maximum(jnp.exp(b) if scale == "log" else b, float(info.tiny))
    moved = jnp.clip(theta, within.theta, infinity)
    d = dispersion(moved, materialized=materialized)
    if not everywhere:
        return Theta(d, theta, None)
    # from the smallest subnormal number; what is left of a 0 is set by the caller
    largest_up = within.theta / float(info.tiny) / float(info.eps)
    if scale == "log":
        log_up = jnp.clip(float(np.log(within.theta)) - b, 0.0, _FAR)
        up = jnp.exp(jnp.minimum(log_up, float(np.log(largest_up))))
        down = 1 / up
        nothing = b < -_INFINITE
    else:
        quotient = product_of_any(b, 1 / within.theta)
        down = jnp.clip(quotient, 1 / largest_up, 1.0)
        up = 1 / down
        log_up, nothing = jnp.log(up), quotient == 0
    high = jnp.where(moved < within.small_theta, within.mu_of_small_theta, within.mu)
    move = ThetaMove(
        nothing=nothing,
        small=theta < within.theta,
        up=up,
        down=down,
        log_up=log_up,
        value=theta,
        log_value=b if scale == "log" else None,
        inverse=1 / theta,
        high=high,
        log_reach=jnp.log(jnp.where(theta >= infinity, within.of_poisson, high)),
    )
    return Theta(d, theta, move)


def ordinary(scales: Scales, x: Array, a: Array, b: Array, eps: Array) -> Array:
    """Whether nothing has to be moved; False for a NaN and a negative parameter.

    Args:
        scales: The scales of mean and theta.
        x: Counts.
        a: The mean on its scale.
        b: Theta on its scale.
        eps: The floor on the mean.
    """
    within = limits(x.dtype)
    of_mean, of_theta = (np.log if scale == "log" else float for scale in scales)
    floor = jnp.log(eps) if scales[0] == "log" else eps
    mean = jnp.maximum(a if scales[0] == "log" else jnp.where(a < 0, jnp.nan, a), floor)
    smallest = jnp.where(
        x > within.x_of_smallest_mu,
        float(of_mean(within.mu_of_large_x)),
        float(of_mean(within.smallest_mu)),
    )
    whole = ((x >= 2) & (x <= within.x_whole)) | (x == 0) | (x == 1)
    inside = (mean >= smallest) & (mean <= float(of_mean(within.mu_ordinary)))
    return whole & inside & (b >= float(of_theta(within.theta)))


class Rescaling(NamedTuple):
    """An even power of 2 by which arguments were multiplied.

    Attributes:
        down: The factor.
        root: Its square root.
        up: Its reciprocal.
        log_up: The logarithm of that.
    """

    down: Array
    root: Array
    up: Array
    log_up: Array


class Point(NamedTuple):
    """What enters the formulas, and how it was moved.

    Attributes:
        x: The count: 0, 1 or at least 2.
        mu: The mean.
        theta: Theta.
        fraction: Whether x is the count raised by 2.
        own_x: The count itself, within the range.
        own_mu: The mean itself, not above the range.
        under: Whether the mean was moved up.
        over: Whether it was moved down.
        huge: Whether everything was scaled down.
        scale: By what.
        further: x - x_0 of form `far`, else 0.
        x_ratio: x / x_0, else 1.
        log_further: log(x / x_0).
        r: mu / mu_0 of forms `under` and `fraction`, else 1.
        log_r: Its logarithm, bounded.
        log_under: The same in form `under`, else 0 (on the log scale that of form `fraction`).
        normal: Whether r is a normal number, as it may not be on the log scale.
        r_over: mu_0 / mu of form `over`, else 1.
        log_r_over: Its logarithm, bounded.
        inverse_mu: 1 / mu of the mean given, bounded.
        nothing: Whether the mean given is 0.
    """

    x: Array
    mu: Array
    theta: Array
    fraction: Array
    own_x: Array
    own_mu: Array
    under: Array
    over: Array
    huge: Array
    scale: Rescaling
    further: Array
    x_ratio: Array
    log_further: Array
    r: Array
    log_r: Array
    log_under: Array
    normal: bool
    r_over: Array
    log_r_over: Array
    inverse_mu: Array
    nothing: Array


def move(
    scales: Scales, x: Array, a: Array, floor: Array, d: Dispersion, theta: ThetaMove
) -> Point:
    """The point within the range from which the value at mean a follows.

    Args:
        scales: The scales of mean and theta.
        x: Counts.
        a: The mean on its scale.
        floor: The smallest mean, on that scale.
        d: Of theta as it was moved.
        theta: How it was.
    """
    within, info = limits(x.dtype), np.finfo(x.dtype)
    tiny, highest = float(info.tiny), float(info.max)
    below = a < floor
    mean = jnp.where(below, floor, a)
    mu = jnp.exp(mean) if scales[0] == "log" else mean
    # of a itself: to the compiler the floored mean is a maximum, which loses subnormal numbers
    lifted = jnp.where(below, floor * within.lift, product_of_any(a, within.lift))
    if scales[0] == "log":
        lifted = jnp.exp(mean + float(np.log(within.lift)))

    count = jnp.clip(x, 0.0, highest)
    few = count < within.small_count
    reached = jnp.clip(mu * theta.up, 1.0, highest)
    # a quarter, since `log` is for numbers whose reciprocal is normal
    log_reached = log(jnp.maximum(reached, count) * 0.25) + 2 * LOG_2
    if scales[0] == "log":
        log_reached = jnp.maximum(log_reached, jnp.minimum(mean, _FAR) + theta.log_up)
    above = (log_reached - theta.log_reach) * (1 / LOG_2)
    alone = theta.value < within.small_theta
    huge = (above > 0) & ~alone & (~few | (theta.value > within.large_theta))
    # even, and up to one more, so that rounding leaves nothing above
    most = -float(info.minexp) / 2 - 1
    half = jnp.where(huge, jnp.clip(jnp.ceil((above + 1) / 2), 0.0, most), 0.0)
    root, root_up = power_of_two(-half), power_of_two(half)
    scale = Rescaling(root * root, root, root_up * root_up, half * (2 * LOG_2))
    if theta.log_value is None:
        t = theta.value * scale.down
    else:
        t = jnp.exp(theta.log_value - scale.log_up)
    t = jnp.where(theta.small, d.theta * scale.down, jnp.minimum(t, largest(x.dtype)))
    x_moved = jnp.where(huge, jnp.where(few, 0.0, count * scale.down), count)
    fraction = ~huge & (x_moved < 2) & (x_moved != 0) & (x_moved != 1)
    low = jnp.where(x_moved > within.x_of_smallest_mu, within.mu_of_large_x, within.smallest_mu)
    largest_x = (x_moved > within.x_whole) & (jnp.where(huge, t, d.theta) >= 1)
    low = jnp.where(largest_x, within.mu_of_largest_x, low)
    target = jnp.where(fraction, x_moved + 1, low)

    if "log" in scales:
        log_mu = mean
        if scales[0] == "linear":
            log_mu = jnp.where(below, jnp.log(floor), log_of_any(a))
        log_mu = log_mu + (theta.log_up - scale.log_up)
        scaled = jnp.exp(log_mu)
        if scales[0] == "linear":
            scaled = jnp.where(theta.small, scaled, mu * scale.down)
        under, over = scaled < low, scaled > theta.high
        log_high = jnp.log(theta.high)
        to_target = jnp.maximum(jnp.minimum(log_mu, log_high) - jnp.log(target), -_FAR)
        log_r = log_under = jnp.where(under | fraction, to_target, 0.0)
        log_r_over = jnp.where(over, jnp.maximum(log_high - log_mu, -_FAR), 0.0)
        r, r_over = jnp.exp(log_r), jnp.exp(log_r_over)
    else:
        scaled = (mu * scale.down) * theta.up
        under, over = scaled < low, scaled > theta.high
        inverse_target = 1 / target
        r = jnp.minimum(scaled, theta.high) * inverse_target
        # for those next to 0 without a product that underflows
        of_small = jnp.minimum(lifted * scale.down, low * within.lift) * inverse_target * theta.up
        r = jnp.maximum(jnp.where(under, of_small / within.lift, r), tiny)
        r = jnp.where(under | fraction, r, 1.0)
        log_r = jnp.log(r)
        r_over = theta.high / jnp.where(over, mu, theta.high)
        # One logarithm for both ends. What r underflows to has none, but of_small does.
        underflows = under & ~fraction & (r < tiny / float(info.eps))
        of_end = jnp.where(under & ~fraction, r, 1.0)
        of_end = jnp.where(underflows, jnp.maximum(of_small, tiny), of_end)
        log_end = jnp.log(jnp.where(over, jnp.maximum(r_over, tiny), of_end))
        log_end = log_end - jnp.where(underflows, float(np.log(within.lift)), 0.0)
        log_under = jnp.where(over, 0.0, log_end)
        log_r_over = jnp.where(over, log_end - theta.log_up, 0.0)
        r_over = jnp.where(over, r_over * theta.down, 1.0)

    # of a mean that is not infinite, so that its product with one is 1
    large = mu > 1
    divisor = jnp.where(large, jnp.clip(mu, 1.0, highest / 4), jnp.maximum(lifted, tiny))
    inverse_mu = jnp.minimum(jnp.where(large, 1.0, within.lift) / divisor, highest)
    t = jnp.where(huge, t, d.theta)
    mu_moved = jnp.where(fraction, target, jnp.clip(scaled, low, theta.high))
    highest_x = jnp.minimum(t + mu_moved, highest / within.x_per_m) * within.x_per_m
    of_small_theta = jnp.where(over, within.small_count, jnp.minimum(highest_x, theta.high))
    x_near = jnp.minimum(x_moved, jnp.where(alone, of_small_theta, highest_x))
    x_ratio = jnp.where(x_moved > x_near, x_moved / x_near, 1.0)
    return Point(
        jnp.where(fraction, x_moved + 2, x_near),
        mu_moved,
        t,
        fraction=fraction,
        own_x=jnp.where(huge & few, 0.0, count),
        own_mu=jnp.minimum(scaled, theta.high),
        under=under & ~fraction,
        over=over,
        huge=huge,
        scale=scale,
        further=x_moved - x_near,
        x_ratio=x_ratio,
        log_further=jnp.log(x_ratio),
        r=r,
        log_r=log_r,
        log_under=log_under,
        normal="log" not in scales,
        r_over=r_over,
        log_r_over=log_r_over,
        inverse_mu=inverse_mu,
        nothing=lifted == 0 if scales[0] == "linear" else mean < -_INFINITE,
    )
