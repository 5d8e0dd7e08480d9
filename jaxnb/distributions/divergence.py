"""The divergence of one distribution from another, for `numpyro.distributions.kl_divergence`.

Between any two of the distributions that are negative binomials but for their zeros, and between
one of them and NumPyro's Poisson distribution. For other pairs, those with a mixture and of
censored or truncated distributions, NumPyro raises NotImplementedError.
"""

from itertools import product
from typing import Any, NamedTuple

import jax.numpy as jnp
from numpyro.distributions import Distribution, Poisson, kl_divergence

from jaxnb._types import Array
from jaxnb.cdf import nb_kl_divergence
from jaxnb.cdf.grouped_divergence import grouped_divergence
from jaxnb.distributions.classes import (
    HurdleNegativeBinomial,
    NegativeBinomial,
    ZeroInflatedNegativeBinomial,
    ZeroTruncatedNegativeBinomial,
)

__all__: list[str] = []

_PLAIN = (NegativeBinomial, Poisson)
_HURDLES = (HurdleNegativeBinomial, ZeroTruncatedNegativeBinomial)


class _Parameters(NamedTuple):
    mu: Any
    theta: Any
    zi_logits: Any


def _parameters(of: Distribution) -> _Parameters:
    if isinstance(of, Poisson):
        return _Parameters(of.rate, jnp.inf, -jnp.inf)
    return _Parameters(of.mu, of.theta, getattr(of, "zi_logits", -jnp.inf))


def _divergence(p: Distribution, q: Distribution) -> Array:
    one, other = _parameters(p), _parameters(q)
    if isinstance(p, _PLAIN) and isinstance(q, _PLAIN):
        return nb_kl_divergence(*one[:2], *other[:2])
    return grouped_divergence(isinstance(p, _HURDLES), isinstance(q, _HURDLES), *one, *other)


for _pair in product((*_PLAIN, *_HURDLES, ZeroInflatedNegativeBinomial), repeat=2):
    if _pair != (Poisson, Poisson):
        kl_divergence.register(*_pair)(_divergence)
