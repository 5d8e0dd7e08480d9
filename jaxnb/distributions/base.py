"""What the distributions share: everything that the table of distributions decides.

A distribution keeps the parameters that it was given, under the names that they were given by, and
nothing that is computed from them. They are the leaves of the distribution as a tree, they are what
is validated, and what `vmap_over` maps over.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import sigmoid
from numpyro.distributions import Distribution, constraints
from numpyro.distributions.batch_util import vmap_over
from numpyro.distributions.distribution import DistributionMeta
from numpyro.util import not_jax_tracer

from jaxnb._types import Array, ArrayLike
from jaxnb._warnings import warn
from jaxnb.choices import Choices, chosen
from jaxnb.distributions.parameters import aligned, as_floats, canonical, linear, logarithm
from jaxnb.distributions.residuals import Residuals
from jaxnb.distributions.validation import described, is_count, or_warn, raise_unless_missing
from jaxnb.families import Family
from jaxnb.likelihoods.arguments import argument, plain

__all__ = ["CountDistribution"]

_Made = TypeVar("_Made")


class _CheckedConstructor(DistributionMeta):
    """NumPyro's metaclass, typed so that pyright checks the arguments of constructors.

    NumPyro's `__call__` returns Any: pyright then checks no argument and forgets the class.
    """

    if TYPE_CHECKING:

        def __call__(cls: type[_Made], *args: Any, **kwargs: Any) -> _Made: ...


class CountDistribution(Residuals, Distribution, metaclass=_CheckedConstructor):
    """A distribution of counts that the table of distributions describes.

    A subclass states its `family`, its `arg_constraints` and the `choices` among its parameters,
    and passes what its constructor gets to this one. They are in `jaxnb.distributions.classes`.
    """

    support = constraints.nonnegative_integer
    pytree_aux_fields: tuple[str, ...] = ("_eps",)
    family: ClassVar[Family]
    choices: ClassVar[tuple[Choices, ...]]
    _non_batch_fields: ClassVar[frozenset[str]] = frozenset()
    _given: dict[str, Any]
    _eps: float | None

    def __init__(
        self, *, eps: float | None, validate_args: bool | None, **parameters: ArrayLike | None
    ) -> None:
        given: dict[str, ArrayLike] = {}
        for choices in self.choices:
            names = {name for choice in choices for name in choice}
            among = {name: value for name, value in parameters.items() if name in names}
            given |= chosen(type(self).__name__, choices, **among)
        self._eps = None if eps is None else float(eps)
        given = {name: plain(argument(name, value)) for name, value in given.items()}
        # Validated before they become arrays of JAX, which makes tracers of constants under jit.
        self._given = given
        super().__init__(validate_args=validate_args)
        self._given = aligned(as_floats(given))

    @classmethod
    def gather_pytree_data_fields(cls) -> tuple[str, ...]:
        """The fields with the leaves, in a fixed order (NumPyro's is that of a set)."""
        return ("_given", *sorted(cls._non_batch_fields))

    def get_args(self) -> dict[str, Any]:
        """The parameters that were given."""
        return dict(self._given)

    def validate_args(self, strict: bool = True) -> None:
        """Check every parameter that has a concrete value.

        In an array that holds numbers too, NaN stands for a missing parameter and is let through:
        the log-probability is NaN there unless `mask` leaves it out.

        Args:
            strict: Whether to refuse values that are being traced, which cannot be checked.

        Raises:
            ValueError: A parameter violates its constraint; the message names both.
            RuntimeError: A parameter is being traced, and `strict` is true.
        """
        with jax.ensure_compile_time_eval():
            for name, value in self.get_args().items():
                constraint = self.arg_constraints[name]
                valid = constraint(value)
                if not_jax_tracer(valid):
                    if not np.asarray(valid).all():
                        raise_unless_missing(type(self).__name__, name, constraint, value, valid)
                elif strict:
                    raise RuntimeError(f"{name} is traced, and cannot be validated")

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape of the parameters broadcast together.

        It is computed from them at each use: after `vmap` or `scan` has added an axis to the
        parameters, a stored one would be out of date.
        """
        # what has no shape is a number, or a placeholder of JAX
        return jnp.broadcast_shapes(*(getattr(p, "shape", ()) for p in self._given.values()))

    @classmethod
    def infer_shapes(
        cls, *args: tuple[int, ...], **kwargs: tuple[int, ...]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The batch and event shape from those of the parameters."""
        kept = {name: shape for name, shape in kwargs.items() if name not in cls._non_batch_fields}
        return super().infer_shapes(*args, **kept)

    def log_prob(self, value: ArrayLike, intermediates: list[Any] | None = None) -> Array:
        """Log-probability of counts, as the function of the package for this distribution.

        Args:
            value: Counts of any real or integer dtype, broadcast against the batch shape.
            intermediates: Not used.

        Returns:
            Log-probabilities, -inf outside the support. With `validate_args`, values that are not
            counts are outside it, and there is a warning; without, real values are scored by the
            extension to them by the gamma function.
        """
        value = argument("value", value)
        log_prob = self.family.log_prob(value, eps=self._eps, **self._arguments())
        if not self._validate_args:
            return log_prob
        return jnp.where(self._validate_sample(plain(value)), log_prob, -jnp.inf)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Integer counts of shape `sample_shape + batch_shape`, by `jaxnb.random`.

        Args:
            key: One key of jax.random, typed or raw.
            sample_shape: Shape of the independent draws, in front.
        """
        return self.family.sampler(key, *self._parameters(), shape=self.shape(tuple(sample_shape)))

    def rsample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """The same as `sample`: counts have no derivative, and `has_rsample` is false.

        NumPyro's own discrete distributions raise NotImplementedError here. scvi-tools' draw.
        """
        return self.sample(key, sample_shape)

    @property
    def mean(self) -> Array:
        """The mean."""
        return self.family.mean(*self._parameters())

    @property
    def variance(self) -> Array:
        """The variance."""
        return self.family.variance(*self._parameters())

    @property
    def stddev(self) -> Array:
        """The standard deviation, the root of the variance."""
        variance = self.variance
        positive = variance > 0
        return jnp.where(positive, jnp.sqrt(jnp.where(positive, variance, 1.0)), variance)

    @property
    def mode(self) -> Array:
        """The most probable count; the larger one of two of a negative binomial."""
        return self.family.mode(*self._parameters())

    def log_cdf(self, value: ArrayLike) -> Array:
        """The logarithm of P(X <= value), accurate in both tails.

        Args:
            value: Numbers, broadcast against the batch shape; those that are not whole are rounded
                down.
        """
        return self._function("log_cdf")(value, **self._arguments())

    def log_sf(self, value: ArrayLike) -> Array:
        """The logarithm of P(X > value), as `log_cdf`."""
        return self._function("log_sf")(value, **self._arguments())

    def log_interval(self, low: ArrayLike, high: ArrayLike) -> Array:
        """The logarithm of P(low <= X <= high), without cancellation.

        Args:
            low: Numbers, broadcast against the batch shape; those that are not whole are rounded
                up.
            high: The same; they are rounded down, and may be infinite.
        """
        return self._function("log_interval")(low, high, **self._arguments())

    def cdf(self, value: ArrayLike) -> Array:
        """P(X <= value), as `log_cdf`.

        NumPyro's censored distributions take the logarithm of it and of its complement, both
        clipped: there is a warning that names those of this package, which lose neither tail.
        """
        caller = sys._getframe(1).f_globals.get("__name__")
        if caller == "numpyro.distributions.censored":
            warn(
                "NumPyro's censored distributions compute log(cdf) and log(1 - cdf), clipped: far"
                " out in a tail the log-probability is wrong and its gradient 0. Use"
                " jaxnb.LeftCensored, RightCensored or IntervalCensored, with the same arguments."
            )
        return self._function("cdf")(value, **self._arguments())

    def icdf(self, q: ArrayLike) -> Array:
        """The smallest count x with P(X <= x) >= q.

        Args:
            q: Probabilities in [0, 1], broadcast against the batch shape.
        """
        return self._function("quantile")(q, **self._arguments())

    def entropy(self) -> Array:
        """The entropy in nats."""
        return self._function("entropy")(**self._arguments())

    def __repr__(self) -> str:
        listed = [f"{name}: {described(value)}" for name, value in self._given.items()]
        return f"{type(self).__name__}({', '.join(listed)}, batch_shape={self.batch_shape})"

    def _function(self, name: str) -> Callable[..., Array]:
        function: Callable[..., Array] | None = getattr(self.family, name)
        if function is None:
            raise NotImplementedError(f"{type(self).__name__} has no {name}")
        return function

    def _arguments(self) -> dict[str, Array | None]:
        """The keywords of the log-probability function, each parameter on the scale it has."""
        present = canonical(self._given)
        arguments: dict[str, Array | None] = {}
        for parameter in self.family.parameters:
            if parameter.log_name is not None and parameter.log_attribute in present:
                arguments[parameter.log_name] = present[parameter.log_attribute]
            else:
                arguments[parameter.name] = present.get(parameter.attribute)
        return arguments

    def _parameters(self) -> list[Array]:
        """The parameters in the order of the table, on the linear scale."""
        present = canonical(self._given)
        attributes = {p.name: p.attribute for p in self.family.parameters}
        return [
            linear(present, p.attribute, attributes.get(p.default or ""))
            for p in self.family.parameters
        ]

    def _linear(self, attribute: str, default: str | None = None) -> Array:
        # what was given is read without a computation, so that tools for trees find the leaf
        if attribute in self._given:
            return self._given[attribute]
        return linear(canonical(self._given), attribute, default)

    def _probability(self, attribute: str) -> Array:
        """The probability whose log-odds is one of the parameters."""
        name = attribute.replace("logits", "probs")
        return self._given[name] if name in self._given else sigmoid(self._linear(attribute))

    def get_normalized(self, key: str) -> ArrayLike:
        """The mean, for the key "mu".

        Raises:
            ValueError: Another key; there is no scale.
        """
        if key == "mu":
            return self.mean
        raise ValueError(f"the only key is 'mu', got {key!r}")

    def _logarithm(self, attribute: str, default: str | None = None) -> Array:
        if f"log_{attribute}" in self._given:
            return self._given[f"log_{attribute}"]
        return logarithm(canonical(self._given), attribute, default)

    def _validate_sample(self, value: ArrayLike) -> Array:
        # One compiled program, without NumPyro's remainder, which takes longer than the likelihood.
        return or_warn(is_count(value, self.support.lower_bound))


@vmap_over.register
def _vmap_over_counts(dist: CountDistribution, **axes: int | None) -> CountDistribution:
    """The axes as a distribution with them in place of its parameters."""
    fields = dist._non_batch_fields
    if unknown := set(axes) - set(dist._given) - fields:
        raise ValueError(
            f"vmap_over got axes for {sorted(unknown)}, but this {type(dist).__name__} was made"
            f" from {list(dist._given)}"
        )
    mapped = copy.copy(dist)
    mapped._given = {name: axes.get(name) for name in dist._given}
    for field in fields:
        setattr(mapped, field, axes.get(field))
    return mapped
