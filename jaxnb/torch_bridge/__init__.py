"""The likelihoods and distributions on torch tensors, computed by JAX, with every gradient."""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError('jaxnb.torch_bridge needs torch: pip install "jaxnb[torch]"') from error

from jaxnb.torch_bridge.exchange import to_jax, to_torch
from jaxnb.torch_bridge.likelihoods import log_mixture_nb, log_nb_positive, log_zinb_positive

__all__ = ["log_mixture_nb", "log_nb_positive", "log_zinb_positive", "to_jax", "to_torch"]
