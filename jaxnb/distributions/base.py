"""What the three distributions share: shapes, tree, validation and residuals."""

from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import Distribution, constraints
from numpyro.util import not_jax_tracer

from jaxnb._types import Array, ArrayLike
from jaxnb.distributions.parameters import aligned

__all__ = ["CountDistribution"]


class CountDistribution(Distribution):
    """A distribution of counts whose parameters are the leaves of a tree.

    A subclass names its parameters in `pytree_data_fields` and implements `log_prob`, `sample`,
    `mean`, `variance` and `mode`.
    """

    support = constraints.nonnegative_integer
    pytree_data_fields: tuple[str, ...] = ()
    pytree_aux_fields: tuple[str, ...] = ("_eps",)
    _beside_the_law: ClassVar[frozenset[str]] = frozenset({"scale"})
    _event_shape: tuple[int, ...] = ()
    _eps: Any

    def __init__(
        self,
        given: dict[str, Array],
        *,
        eps: ArrayLike,
        validate_args: bool | None,
        **parameters: Array | None,
    ) -> None:
        # What was given is kept beside the parameters, so that it reads back as it was and a
        # complaint names what the caller wrote.
        self.__dict__.update(given, **aligned(**parameters), _eps=eps)
        super().__init__(self.batch_shape, validate_args=validate_args)

    def validate_args(self, strict: bool = True) -> None:
        """Check every parameter that has a concrete value.

        Args:
            strict: Whether to refuse values that are being traced, which cannot be checked.

        Raises:
            ValueError: A parameter violates its constraint; the message names both.
            RuntimeError: A parameter is being traced, and `strict` is true.
        """
        with jax.ensure_compile_time_eval():
            # backwards: what was given comes before mu and theta, which may be computed from it
            for name, value in reversed(self.get_args().items()):
                constraint = self.arg_constraints[name]
                valid = constraint(value)
                if not_jax_tracer(valid):
                    _complain_unless(valid, type(self).__name__, name, constraint, value)
                elif strict:
                    raise RuntimeError(f"{name} is traced, and cannot be validated")

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape of the parameters broadcast together.

        It is computed from them at each use: after `vmap` or `scan` has added an axis to the
        parameters, a stored one would be out of date.
        """
        names = set(self.gather_pytree_data_fields()) - self._beside_the_law
        # what has no shape is a number, or a stand-in of jax's own
        return jnp.broadcast_shapes(*(getattr(self.__dict__[name], "shape", ()) for name in names))

    @classmethod
    def infer_shapes(
        cls, *args: tuple[int, ...], **kwargs: tuple[int, ...]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The batch and event shape from those of the parameters."""
        kept = {name: shape for name, shape in kwargs.items() if name not in cls._beside_the_law}
        return super().infer_shapes(*args, **kept)

    @classmethod
    def gather_pytree_data_fields(cls) -> tuple[str, ...]:
        """The names of the leaves, in alphabetical order."""
        return tuple(sorted(super().gather_pytree_data_fields()))

    def tree_flatten(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The parameters as leaves."""
        leaves = tuple(self.__dict__[name] for name in self.gather_pytree_data_fields())
        return leaves, tuple(self.__dict__.get(name) for name in self._static_fields())

    @classmethod
    def tree_unflatten(cls, aux_data: tuple[Any, ...], params: tuple[Any, ...]) -> Self:
        """A distribution with these leaves, which may be anything: nothing is checked."""
        distribution = object.__new__(cls)
        static = zip(cls._static_fields(), aux_data, strict=True)
        leaves = zip(cls.gather_pytree_data_fields(), params, strict=True)
        distribution.__dict__.update(
            {name: value for name, value in static if value is not None}, **dict(leaves)
        )
        return distribution

    @classmethod
    def _static_fields(cls) -> tuple[str, ...]:
        return tuple(sorted({*cls.gather_pytree_aux_fields()} - {"_batch_shape", "_event_shape"}))

    def rsample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """The same as `sample`: counts have no derivative, and `has_rsample` is false."""
        return self.sample(key, sample_shape)

    def pearson_residuals(self, x: ArrayLike) -> Array:
        """(x - mean) / sqrt(variance).

        Args:
            x: Counts, broadcast against the batch shape.

        Returns:
            The residuals; where the law is a point mass, 0 for x = 0 and infinity for others.
        """
        mean = self.mean
        floating = jnp.issubdtype(jnp.result_type(x), jnp.floating)
        deviation = (x if floating else jnp.asarray(x, mean.dtype)) - mean
        certain = self.variance == 0
        residual = deviation / jnp.sqrt(jnp.where(certain, 1.0, self.variance))
        return jnp.where(certain & (deviation != 0), jnp.inf, residual)

    def __repr__(self) -> str:
        parameters = ((name, self.__dict__[name]) for name in self.gather_pytree_data_fields())
        listed = [f"{name.strip('_')}: {_described(p)}" for name, p in parameters if p is not None]
        return f"{type(self).__name__}({', '.join(listed)}, batch_shape={self.batch_shape})"


def _complain_unless(
    valid: ArrayLike, owner: str, name: str, constraint: Any, value: ArrayLike
) -> None:
    invalid = ~np.asarray(valid)
    if invalid.any():
        # under `grad` the comparison is concrete although the value is not
        example = f", such as {np.asarray(value)[invalid][0]}" if not_jax_tracer(value) else ""
        raise ValueError(
            f"{owner} got an invalid {name}: {invalid.sum()} of {invalid.size} values{example}, do"
            f" not satisfy {constraint}"
        )


def _described(parameter: Any) -> str:
    if not hasattr(parameter, "dtype"):
        return repr(parameter)
    return f"{parameter.dtype}[{','.join(map(str, parameter.shape))}]"
