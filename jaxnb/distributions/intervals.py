"""What the censored and truncated distributions share: a distribution of counts within them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from numpyro.distributions import Distribution

from jaxnb._types import Array, ArrayLike
from jaxnb.distributions.base import CountDistribution, _CheckedConstructor

__all__ = ["Around"]


class Around(Distribution, metaclass=_CheckedConstructor):
    """A distribution made of one of the package and of arrays that broadcast with it.

    Both are the leaves of the distribution as a tree, with leading axes of length 1 where their
    ranks differ, so that they still broadcast after `vmap` has put a new axis in front of each.
    """

    arrays: ClassVar[tuple[str, ...]]
    base_dist: CountDistribution

    def __init__(
        self,
        base_dist: CountDistribution,
        arrays: dict[str, Array | None],
        event_shape: tuple[int, ...],
        validate_args: bool | None,
    ) -> None:
        if not isinstance(base_dist, CountDistribution):
            raise TypeError(
                f"{type(self).__name__} needs a distribution of jaxnb, got a"
                f" {type(base_dist).__name__}; use expand, mask and to_event on the"
                f" {type(self).__name__} instead"
            )
        shapes = [base_dist.batch_shape, *(a.shape for a in arrays.values() if a is not None)]
        try:
            rank = len(jnp.broadcast_shapes(*shapes))
        except ValueError:
            listed = ", ".join(f"{n} {a.shape}" for n, a in arrays.items() if a is not None)
            raise ValueError(
                f"{type(self).__name__}: {listed} does not broadcast with the batch shape"
                f" {base_dist.batch_shape}"
            ) from None
        self.base_dist = jax.tree.map(lambda leaf: _of_rank(leaf, rank), base_dist)
        for name, array in arrays.items():
            setattr(self, name, None if array is None else _of_rank(array, rank))
        super().__init__(self.batch_shape, event_shape, validate_args=validate_args)

    @classmethod
    def gather_pytree_data_fields(cls) -> tuple[str, ...]:
        """The fields with the leaves, in a fixed order (NumPyro's is that of a set)."""
        return ("base_dist", *cls.arrays)

    def get_args(self) -> dict[str, Any]:
        """The arrays that were given."""
        return {name: a for name in self.arrays if (a := getattr(self, name)) is not None}

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape of the base distribution and the arrays broadcast together.

        It is computed from them at each use, as that of the base distribution is.
        """
        shapes = [getattr(array, "shape", ()) for array in self.get_args().values()]
        return jnp.broadcast_shapes(self.base_dist.batch_shape, *shapes)

    @property
    def _parameter_dtype(self) -> jnp.dtype:
        """What the parameters promote to."""
        return jnp.dtype(jnp.result_type(*self.base_dist.get_args().values()))

    @property
    def _dtype(self) -> jnp.dtype:
        """That of the computation, in which bounds are whole numbers too."""
        dtype = self._parameter_dtype
        return dtype if dtype.itemsize > 2 else jnp.dtype(jnp.float32)

    def _log_prob_of_counts(self, value: ArrayLike) -> Array:
        """That of the base distribution, without its validation."""
        base = self.base_dist
        log_prob: Array = base.family.log_prob(value, eps=base._eps, **base._arguments())
        return log_prob

    def _uncensored(self, key: Array, sample_shape: Sequence[int]) -> Array:
        """Draws from the base distribution, one for each element of the batch shape."""
        base = self.base_dist
        shape = (*sample_shape, *self.batch_shape)
        return base.family.sampler(key, *base._parameters(), shape=shape)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_dist!r}, batch_shape={self.batch_shape})"


def _of_rank(leaf: ArrayLike, rank: int) -> Array:
    array = jnp.asarray(leaf)
    return array.reshape((1,) * (rank - array.ndim) + array.shape)
