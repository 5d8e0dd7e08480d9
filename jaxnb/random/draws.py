"""The public samplers: gamma, Poisson, negative binomial, zero-inflated and mixture draws.

All follow jax.random: an explicit key of any implementation, the shape of the parameters broadcast
together unless one is given, and a dtype. A draw depends on the key, on the shape of the result and
on the parameters of its own element. The distributions are exact; no approximation takes
over for large or small parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from jaxnb._names import MixtureNames, ZeroInflationName, keywords
from jaxnb._types import Array, ArrayLike, DTypeLike
from jaxnb.likelihoods.arguments import Given, argument, plain
from jaxnb.likelihoods.mixture import components
from jaxnb.random import _counts
from jaxnb.random._gamma import draw_gamma

__all__ = [
    "gamma",
    "hurdle_negative_binomial",
    "negative_binomial",
    "negative_binomial_mixture",
    "poisson",
    "zero_inflated_negative_binomial",
    "zero_truncated_negative_binomial",
]


@keywords
def gamma(
    key: ArrayLike, a: ArrayLike, shape: Sequence[int] | None = None, dtype: DTypeLike = float
) -> Array:
    r"""Draw from the gamma distribution with shape parameter a and scale 1.

    The density is :math:`w^{a-1} e^{-w} / \Gamma(a)`.

    Args:
      key: One key of jax.random, typed or raw, of any implementation.
      a: Shape parameter, 0 ≤ a ≤ ∞, broadcast to shape.
      shape: Shape of the result; that of a by default.
      dtype: A float dtype. float16 and bfloat16 draws are computed in float32 and rounded.

    Returns:
      An array of that shape and dtype; 0 where a = 0 or where the draw underflows, infinity where
      a = ∞, NaN where a is NaN or negative. It is differentiable in a: the derivative is the
      implicit one, at a fixed level of the cumulative distribution.

    Raises:
      ValueError: If a does not broadcast to shape, dtype is no float, or key is several keys.
      TypeError: If key is no key.

    References:
      Marsaglia and Tsang (2000), "A simple method for generating gamma variables".
    """
    alpha = plain(argument("a", a))
    draws: Array = draw_gamma(key, alpha, shape if shape is None else tuple(shape), dtype)
    return draws


@keywords
def poisson(
    key: ArrayLike,
    lam: ArrayLike | None = None,
    shape: Sequence[int] | None = None,
    dtype: DTypeLike = int,
    *,
    log_lam: ArrayLike | None = None,
) -> Array:
    r"""Draw from the Poisson distribution with rate lam.

    The probability of k is :math:`\lambda^k e^{-\lambda} / k!`, :math:`\lambda` = `lam`.

    Args:
      key: One key of jax.random, typed or raw, of any implementation.
      lam: Rate, 0 ≤ lam ≤ ∞, broadcast to shape.
      shape: Shape of the result; that of lam by default.
      dtype: An integer or float dtype. It decides the precision of the computation: float64 for the
        64-bit dtypes (slower), float32 for all others, which rounds the rate to float32.
      log_lam: log(lam), instead of `lam`; its exponential is taken in that precision.

    Returns:
      An array of that shape and dtype. Integer counts saturate at the maximum of their dtype; float
      and unsigned ones beyond 2²⁴ (2⁵³ if 64 bits wide) are rounded to a float. Where lam is NaN or
      negative: NaN, or -1 in a signed integer dtype and 0 in an unsigned one. Gradients are zero.

    Raises:
      ValueError: If lam does not broadcast to shape, dtype is no number, or key is several keys.
      TypeError: If key is no key, or the rate is missing or given on both scales.

    References:
      Hörmann (1993), "The transformed rejection method for generating Poisson random variables",
      for rates from 10; inversion below.
    """
    given: dict[str, Given] = {"lam": (lam, log_lam)}
    return _counts.draw("poisson", _counts.poisson_rate, key, given, shape, dtype)


@keywords
def negative_binomial(
    key: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    shape: Sequence[int] | None = None,
    dtype: DTypeLike = int,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    r"""Draw from the negative binomial with mean mu and inverse dispersion theta.

    A gamma deviate w of shape theta and mean mu, then a Poisson count of rate w: the variance is
    :math:`\mu + \mu^2/\theta`.

    Args:
      key: One key of jax.random, typed or raw, of any implementation.
      mu: Mean, 0 ≤ mu ≤ ∞, broadcast to shape.
      theta: Inverse dispersion, 0 ≤ theta ≤ ∞, broadcast to shape; ∞ is the Poisson case.
      shape: Shape of the result; that of the parameters broadcast together by default.
      dtype: An integer or float dtype, as for `poisson`.
      log_mu: log(mu), instead of `mu`; its exponential is taken in the precision of the draw.
      log_theta: log(theta), instead of `theta`, likewise.

    Returns:
      An array of that shape and dtype, as from `poisson`. It is 0 where mu or theta is 0; infinity,
      or the maximum of an integer dtype, where mu = ∞ and theta > 0; NaN, or -1 in a signed integer
      dtype and 0 in an unsigned one, where a parameter is NaN or negative. Gradients are zero.

    Raises:
      ValueError: If the parameters do not broadcast to shape, dtype is no number, or key is several
        keys.
      TypeError: If key is no key, or a parameter is missing or given on both scales.
    """
    given: dict[str, Given] = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    rate = _counts.negative_binomial_rate
    return _counts.draw("negative_binomial", rate, key, given, shape, dtype)


@keywords
def zero_inflated_negative_binomial(
    key: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    shape: Sequence[int] | None = None,
    dtype: DTypeLike = int,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    """Draw from the negative binomial with additional zeros.

    Each draw is 0 with the probability σ(pi), σ the logistic function, and otherwise one of
    `negative_binomial`; the decision is taken once for each draw.

    Args:
      key: One key of jax.random, typed or raw, of any implementation.
      mu: Mean of the negative binomial, 0 ≤ mu ≤ ∞, broadcast to shape.
      theta: Inverse dispersion, 0 ≤ theta ≤ ∞, broadcast to shape.
      pi: Log-odds of the additional zero, also as `zi_logits`, -∞ ≤ pi ≤ ∞, broadcast to shape.
      shape: Shape of the result; that of the parameters broadcast together by default.
      dtype: An integer or float dtype, as for `poisson`.
      log_mu: log(mu), instead of `mu`; its exponential is taken in the precision of the draw.
      log_theta: log(theta), instead of `theta`, likewise.

    Returns:
      An array of that shape and dtype, as from `negative_binomial`.

    Raises:
      ValueError: If the parameters do not broadcast to shape, dtype is no number, or key is several
        keys.
      TypeError: If key is no key, or a parameter is missing or given on both scales.
    """
    given: dict[str, Given] = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    name, rate = "zero_inflated_negative_binomial", _counts.zero_inflated_rate
    return _counts.draw(name, rate, key, given | {"pi": pi}, shape, dtype)


@keywords
def negative_binomial_mixture(
    key: ArrayLike,
    mu_1: ArrayLike | None = None,
    mu_2: ArrayLike | None = None,
    theta_1: ArrayLike | None = None,
    theta_2: ArrayLike | None = None,
    pi_logits: ArrayLike | None = None,
    shape: Sequence[int] | None = None,
    dtype: DTypeLike = int,
    *,
    log_mu_1: ArrayLike | None = None,
    log_mu_2: ArrayLike | None = None,
    log_theta_1: ArrayLike | None = None,
    log_theta_2: ArrayLike | None = None,
    **other: Unpack[MixtureNames[ArrayLike]],
) -> Array:
    """Draw from a mixture of two negative binomials.

    Each draw is of component 1 with the probability σ(pi_logits), σ the logistic function, and
    otherwise of component 2; the component is chosen once for each draw.

    Args:
      key: One key of jax.random, typed or raw, of any implementation.
      mu_1: Mean of component 1, 0 ≤ mu_1 ≤ ∞, broadcast to shape.
      mu_2: Mean of component 2, likewise.
      theta_1: Inverse dispersion of component 1, 0 ≤ theta_1 ≤ ∞, broadcast to shape.
      theta_2: Inverse dispersion of component 2, likewise; that of component 1 if not given.
      pi_logits: Log-odds of component 1, also as `mixture_logits`, -∞ ≤ pi_logits ≤ ∞, broadcast to
        shape.
      shape: Shape of the result; that of the parameters broadcast together by default.
      dtype: An integer or float dtype, as for `poisson`.
      log_mu_1: log(mu_1), instead of `mu_1`, as in `negative_binomial`; and so on.
      log_mu_2: log(mu_2).
      log_theta_1: log(theta_1).
      log_theta_2: log(theta_2).
      **other: `mu1` for `mu_1`, and so on, as the class has them.

    Returns:
      An array of that shape and dtype, as from `negative_binomial`. A NaN or negative parameter of
      the component that was not chosen makes the draw invalid too.

    Raises:
      ValueError: If the parameters do not broadcast to shape, dtype is no number, or key is several
        keys.
      TypeError: If key is no key, or a parameter is missing or given on both scales.
    """
    given = components(mu_1, mu_2, theta_1, theta_2, log_mu_1, log_mu_2, log_theta_1, log_theta_2)
    name, rate = "negative_binomial_mixture", _counts.mixture_rate
    return _counts.draw(name, rate, key, given | {"pi_logits": pi_logits}, shape, dtype)


@keywords
def zero_truncated_negative_binomial(
    key: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    shape: Sequence[int] | None = None,
    dtype: DTypeLike = int,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    """Draw from the negative binomial without its zeros.

    Nothing is rejected: the first count and those after it are drawn one after the other, so that
    a small mean costs no more than a large one.

    Args:
      key: One key of jax.random, typed or raw, of any implementation.
      mu: Mean before truncation, 0 ≤ mu ≤ ∞, broadcast to shape.
      theta: Inverse dispersion, 0 < theta ≤ ∞, broadcast to shape.
      shape: Shape of the result; that of the parameters broadcast together by default.
      dtype: An integer or float dtype, as for `poisson`.
      log_mu: log(mu), instead of `mu`; its exponential is taken in the precision of the draw.
      log_theta: log(theta), instead of `theta`, likewise.

    Returns:
      An array of that shape and dtype, as from `negative_binomial`; 1 where mu = 0, and NaN (-1 or
      0 in an integer dtype) where theta = 0, at which there is no distribution.

    Raises:
      ValueError: If the parameters do not broadcast to shape, dtype is no number, or key is several
        keys.
      TypeError: If key is no key, or a parameter is missing or given on both scales.
    """
    given: dict[str, Given] = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    name, rate = "zero_truncated_negative_binomial", _counts.zero_truncated_rate
    return _counts.draw(name, rate, key, given, shape, dtype)


@keywords
def hurdle_negative_binomial(
    key: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    shape: Sequence[int] | None = None,
    dtype: DTypeLike = int,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    """Draw from the hurdle model: a zero, or a zero-truncated negative binomial count.

    Each draw is 0 with the probability σ(pi), σ the logistic function, and otherwise one of
    `zero_truncated_negative_binomial`.

    Args:
      key: One key of jax.random, typed or raw, of any implementation.
      mu: Mean of the negative binomial before truncation, 0 ≤ mu ≤ ∞, broadcast to shape.
      theta: Inverse dispersion, 0 < theta ≤ ∞, broadcast to shape.
      pi: Log-odds of a zero, also as `zi_logits`, -∞ ≤ pi ≤ ∞, broadcast to shape.
      shape: Shape of the result; that of the parameters broadcast together by default.
      dtype: An integer or float dtype, as for `poisson`.
      log_mu: log(mu), instead of `mu`; its exponential is taken in the precision of the draw.
      log_theta: log(theta), instead of `theta`, likewise.

    Returns:
      An array of that shape and dtype, as from `zero_truncated_negative_binomial`.

    Raises:
      ValueError: If the parameters do not broadcast to shape, dtype is no number, or key is several
        keys.
      TypeError: If key is no key, or a parameter is missing or given on both scales.
    """
    given: dict[str, Given] = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    name, rate = "hurdle_negative_binomial", _counts.hurdle_rate
    return _counts.draw(name, rate, key, given | {"pi": pi}, shape, dtype)
