"""The divergence of one distribution from another, for `torch.distributions.kl_divergence`."""

from torch import Tensor
from torch.distributions.kl import register_kl

from jaxnb.families import NEGATIVE_BINOMIAL
from jaxnb.torch_bridge.classes import NegativeBinomial
from jaxnb.torch_bridge.pointwise import evaluated

__all__: list[str] = []


@register_kl(NegativeBinomial, NegativeBinomial)
def _kl_divergence(p: NegativeBinomial, q: NegativeBinomial) -> Tensor:
    """By `jaxnb.cdf.nb_kl_divergence`; of zero-inflated distributions none is known."""
    if type(p)._family is not NEGATIVE_BINOMIAL or type(q)._family is not NEGATIVE_BINOMIAL:
        raise NotImplementedError(
            f"no divergence of {type(p).__name__} and {type(q).__name__}, only of two"
            " NegativeBinomial"
        )
    given = {"mu_1": p.mu, "theta_1": p.theta, "mu_2": q.mu, "theta_2": q.theta}
    return evaluated("nb_kl_divergence", given)
