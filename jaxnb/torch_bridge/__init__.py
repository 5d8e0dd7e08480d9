"""The likelihoods and distributions on torch tensors, computed by JAX, with every gradient.

Tensors are lent to JAX without a copy, so that an exact likelihood costs a torch model nothing but
the import. On the CPU, set the environment variable `OMP_WAIT_POLICY` to `PASSIVE` before torch is
imported: else torch's idle threads spin where JAX wants to compute.
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError('jaxnb.torch_bridge needs torch: pip install "jaxnb[torch]"') from error

from jaxnb.torch_bridge.distributions import NegativeBinomial, ZeroInflatedNegativeBinomial
from jaxnb.torch_bridge.exchange import to_jax, to_torch
from jaxnb.torch_bridge.likelihoods import log_mixture_nb, log_nb_positive, log_zinb_positive
from jaxnb.torch_bridge.mixture import NegativeBinomialMixture
from jaxnb.torch_bridge.scvi import patch_scvi

__all__ = [
    "NegativeBinomial",
    "NegativeBinomialMixture",
    "ZeroInflatedNegativeBinomial",
    "log_mixture_nb",
    "log_nb_positive",
    "log_zinb_positive",
    "patch_scvi",
    "to_jax",
    "to_torch",
]
