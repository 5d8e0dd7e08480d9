"""Gamma and Poisson draws.

All samplers follow jax.random: an explicit key of any implementation, the shape of the parameters
broadcast together unless one is given, and a dtype. A draw depends on the key, on the shape of the
result and on the parameters of its own element. The distributions are exact; no approximation takes
over for large or small parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxnb._names import keywords
from jaxnb._types import Array, ArrayLike, DTypeLike
from jaxnb.likelihoods.arguments import Given, Pair, argument, plain
from jaxnb.random import _counts
from jaxnb.random._gamma import draw_gamma

__all__ = ["gamma", "poisson"]


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
      ValueError: If a does not broadcast to shape, dtype is not a float, or key is several keys.
      TypeError: If key is not a key.

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
      ValueError: If lam does not broadcast to shape, dtype is not a number, or key is several keys.
      TypeError: If key is not a key, or the rate is missing or given on both scales.

    References:
      Hörmann (1993), "The transformed rejection method for generating Poisson random variables",
      for rates from 10; inversion below.
    """
    given: dict[str, Given] = {"lam": Pair(lam, log_lam)}
    return _counts.draw("poisson", _counts.poisson_rate, key, given, shape, dtype)
