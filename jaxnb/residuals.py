"""Residuals of counts under a distribution: matrices, sparse or not, and AnnData.

Each function takes the counts and a distribution of `jaxnb.distributions` whose parameters
broadcast against them, such as a mean for every entry or cell and a theta for every gene::

    nb = jaxnb.NegativeBinomial(mu=size_factors[:, None] * means, theta=thetas)
    adata.layers["residuals"] = jaxnb.residuals.pearson_residuals(adata, nb)

The distributions have methods of the same names, for arrays. A residual of zero counts is not zero,
so that the result is always dense.
"""

from __future__ import annotations

from typing import Any, Protocol

import jax
import jax.numpy as jnp

from jaxnb._errors import layer_names
from jaxnb._types import Array, ArrayLike

__all__ = [
    "deviance_residuals",
    "mid_quantile_residuals",
    "pearson_residuals",
    "quantile_residuals",
]


def __dir__() -> list[str]:
    return __all__


class _Distribution(Protocol):
    def pearson_residuals(self, x: ArrayLike) -> Array: ...

    def deviance_residuals(self, x: ArrayLike) -> Array: ...

    def quantile_residuals(self, key: Array, x: ArrayLike) -> Array: ...

    def mid_quantile_residuals(self, x: ArrayLike) -> Array: ...


def pearson_residuals(
    counts: Any, distribution: _Distribution, *, layer: str | None = None
) -> Array:
    """(x - mean) / sqrt(variance).

    Args:
        counts: An array, a SciPy sparse matrix, a pandas DataFrame or an AnnData object.
        distribution: The distribution of each count.
        layer: The layer of an AnnData object that holds the counts; X by default.

    Returns:
        A dense array of the shape of the counts.

    Raises:
        ValueError: The counts and the distribution do not broadcast, or `layer` is none of the
            layers.
        TypeError: `layer` is given for something that has no layers.
    """
    return distribution.pearson_residuals(_dense(counts, layer))


def deviance_residuals(
    counts: Any, distribution: _Distribution, *, layer: str | None = None
) -> Array:
    """sign(x - mean) sqrt(unit deviance), also accurate near the mean.

    Arguments, result and errors as for `pearson_residuals`; and NotImplementedError for a mixture,
    which has no unit deviance.
    """
    return distribution.deviance_residuals(_dense(counts, layer))


def quantile_residuals(
    key: Array, counts: Any, distribution: _Distribution, *, layer: str | None = None
) -> Array:
    """Randomized quantile residuals, standard normal under the true distribution.

    Arguments, result and errors as for `pearson_residuals`.

    Args:
        key: One key of jax.random.
        counts: See there.
        distribution: See there.
        layer: See there.

    References:
        Dunn and Smyth (1996), Randomized quantile residuals.
    """
    return distribution.quantile_residuals(key, _dense(counts, layer))


def mid_quantile_residuals(
    counts: Any, distribution: _Distribution, *, layer: str | None = None
) -> Array:
    """The normal quantile of F(x - 1) + P(x) / 2: deterministic quantile residuals.

    Arguments, result and errors as for `pearson_residuals`.
    """
    return distribution.mid_quantile_residuals(_dense(counts, layer))


def _dense(counts: Any, layer: str | None) -> Array:
    """The counts as an array in the default float dtype."""
    if hasattr(counts, "layers") and hasattr(counts, "X"):
        if layer is not None and layer not in counts.layers:
            raise ValueError(f"no layer {layer!r}; the layers are {layer_names(counts)}")
        counts = counts.X if layer is None else counts.layers[layer]
        if not hasattr(counts, "toarray") and not hasattr(counts, "dtype"):
            counts = counts[:]  # of a backed file
    elif layer is not None:
        raise TypeError(f"a layer is given, but a {type(counts).__name__} has no layers")
    if hasattr(counts, "toarray"):
        counts = counts.toarray()
    elif hasattr(counts, "to_numpy"):
        counts = counts.to_numpy()
    return jnp.asarray(counts, jax.dtypes.canonicalize_dtype(float))
