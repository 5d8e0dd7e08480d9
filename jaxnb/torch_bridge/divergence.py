"""The divergence of one distribution from another, for `torch.distributions.kl_divergence`."""

from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.distributions import Distribution, Poisson
from torch.distributions.kl import register_kl

from jaxnb.torch_bridge.classes import (
    HurdleNegativeBinomial,
    NegativeBinomial,
    ZeroInflatedNegativeBinomial,
    ZeroTruncatedNegativeBinomial,
)
from jaxnb.torch_bridge.functions import divergence_of
from jaxnb.torch_bridge.pointwise import evaluated

__all__: list[str] = []

_HURDLES = (HurdleNegativeBinomial, ZeroTruncatedNegativeBinomial)
_MORE_ZEROS = (ZeroInflatedNegativeBinomial, HurdleNegativeBinomial)


class _Parameters(NamedTuple):
    mu: Tensor
    theta: Tensor
    zi_logits: Tensor


def _parameters(of: Any) -> _Parameters:
    poisson = isinstance(of, Poisson)
    mu = of.rate if poisson else of.mu
    theta = torch.full_like(mu, torch.inf) if poisson else of.theta
    zi_logits = of.zi_logits if isinstance(of, _MORE_ZEROS) else torch.full_like(mu, -torch.inf)
    return _Parameters(mu, theta, zi_logits)


def _divergence(p: Distribution, q: Distribution) -> Tensor:
    one, other = _parameters(p), _parameters(q)
    given = {
        f"{name}_{place}": value
        for place, parameters in enumerate((one, other), 1)
        for name, value in parameters._asdict().items()
    }
    if any(isinstance(of, (*_HURDLES, *_MORE_ZEROS)) for of in (p, q)):
        return evaluated(divergence_of(isinstance(p, _HURDLES), isinstance(q, _HURDLES)), given)
    del given["zi_logits_1"], given["zi_logits_2"]
    return evaluated("nb_kl_divergence", given)


for _pair in product(
    (NegativeBinomial, Poisson, *_HURDLES, ZeroInflatedNegativeBinomial), repeat=2
):
    if _pair != (Poisson, Poisson):
        register_kl(*_pair)(_divergence)
