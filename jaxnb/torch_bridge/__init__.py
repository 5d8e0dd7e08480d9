"""The likelihoods and distributions on torch tensors, computed by JAX, with every derivative.

JAX reads the tensors' memory without a copy. On the CPU, set the environment variable
`OMP_WAIT_POLICY` to `PASSIVE` before torch is imported: otherwise torch's idle threads occupy the
cores that JAX computes on.

The first call with a new function, dtype or shape compiles a program, which takes a few seconds.
JAX keeps compiled programs on disk for the next process if this comes before the first call::

    jax.config.update("jax_compilation_cache_dir", "/path/to/a/directory")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)

or by the environment variables `JAX_COMPILATION_CACHE_DIR` and
`JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS`.
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError('jaxnb.torch_bridge needs torch: pip install "jaxnb[torch]"') from error

from jaxnb.torch_bridge import classes as _classes
from jaxnb.torch_bridge import divergence as _divergence  # noqa: F401
from jaxnb.torch_bridge import log_prob as _log_prob
from jaxnb.torch_bridge import original_names as _original_names
from jaxnb.torch_bridge.censored import (
    IntervalCensored,
    LeftCensored,
    RightCensored,
    Truncated,
)
from jaxnb.torch_bridge.classes import *
from jaxnb.torch_bridge.exchange import to_jax, to_torch
from jaxnb.torch_bridge.log_prob import *
from jaxnb.torch_bridge.original_names import *
from jaxnb.torch_bridge.scvi import patch_scvi

__all__ = [
    "IntervalCensored",
    "LeftCensored",
    "RightCensored",
    "Truncated",
    "patch_scvi",
    "to_jax",
    "to_torch",
]
__all__ += [*_classes.__all__, *_log_prob.__all__, *_original_names.__all__]


def __dir__() -> list[str]:
    return sorted(__all__)
