"""What the distributions on tensors have in common: everything that the table of them decides."""

from collections.abc import Callable
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from jaxnb._warnings import warn
from jaxnb.choices import choices_of, chosen
from jaxnb.families import Family
from jaxnb.torch_bridge import _private
from jaxnb.torch_bridge.arguments import Arguments, Value, broadcastable
from jaxnb.torch_bridge.parameters import Parameter, canonical, float_parameters
from jaxnb.torch_bridge.pointwise import evaluated
from jaxnb.torch_bridge.sampling import draw

__all__ = ["Counts"]


class _Constraints:
    """Of an instance, the constraints on what it keeps; of a class, those on all its parameters."""

    def __get__(self, instance: "Counts | None", owner: type) -> dict[str, constraints.Constraint]:
        members = [member for base in reversed(owner.__mro__) for member in vars(base).items()]
        declared = {name: p.constraint for name, p in members if isinstance(p, Parameter)}
        return declared if instance is None else {name: declared[name] for name in instance._kept}


class Counts(Distribution):
    """The base class of the distributions.

    A subclass declares its parameters as `Parameter`, `ScaledParameter` or `LogScale`, and passes
    what its constructor gets to this one. They are in `jaxnb.torch_bridge.classes`. An instance
    keeps those that were given, under their names; the keys of its `arg_constraints` are these
    names, which are keywords of the constructor too, and it can be rebuilt from them.

    An instance that `torch.save` has written is read by `torch.load(file)`, with its default of
    `weights_only=True`, after `torch.serialization.add_safe_globals([NegativeBinomial])`, or
    whichever class it is.
    """

    arg_constraints = _Constraints()
    support = constraints.nonnegative_integer
    has_rsample = False
    _family: ClassVar[Family]
    _function: ClassVar[Callable[..., Tensor]]
    _not_in_batch: ClassVar[frozenset[str]] = frozenset({"scale"})
    _kept: dict[str, Tensor]
    _eps: float | None

    def __init__(
        self,
        *,
        eps: float | None,
        validate_args: bool | None,
        scale: Tensor | None = None,
        **given: Tensor | None,
    ) -> None:
        owner = type(self).__name__
        parameters: Arguments = {}
        for choices in choices_of(self._family):
            names = {name for choice in choices for name in choice}
            among = {name: value for name, value in given.items() if name in names}
            parameters |= chosen(owner, choices, **among)
        validate = _private.validates(self) if validate_args is None else validate_args
        kept = canonical(self._family, float_parameters(owner, validate, parameters))
        carried = {} if scale is None else {"scale": scale}
        self._keep(broadcastable(kept) | carried, eps, validate_args)

    def _keep(self, kept: dict[str, Tensor], eps: float | None, validate_args: bool | None) -> None:
        self._kept, self._eps = kept, eps
        Distribution.__init__(self, self.batch_shape, validate_args=validate_args)

    @property
    def batch_shape(self) -> torch.Size:
        """Shape of the parameters together, which may be assigned."""
        shapes = [p.shape for name, p in self._kept.items() if name not in self._not_in_batch]
        return torch.broadcast_shapes(*shapes)

    @property
    def on_mps(self) -> bool:
        """Whether the parameters are on an Apple GPU, from where they cannot be handed to JAX."""
        return any(p.device.type == "mps" for p in self._kept.values())

    def _parameters(self) -> dict[str, Tensor]:
        """The parameters of the table, none of them left out, on the linear scale."""
        values: dict[str, Tensor] = {}
        attributes = {p.name: p.attribute for p in self._family.parameters}
        for p in self._family.parameters:
            value = getattr(self, p.attribute)
            missing = value is None and p.default is not None
            values[p.attribute] = values[attributes[p.default or ""]] if missing else value
        return values

    def _arguments(self) -> dict[str, Value]:
        """The arguments of the functions of the table, each parameter on the scale it has."""
        given: dict[str, Value] = {}
        for p in self._family.parameters:
            for keyword, name in ((p.name, p.attribute), (p.log_name, p.log_attribute)):
                if keyword is not None and name in self._kept:
                    given[keyword] = self._kept[name]
        return given

    def _evaluated(self, function: str, **first: Value) -> Tensor:
        of_arrays = getattr(self._family, function)
        return evaluated(of_arrays.__name__, first | self._arguments())

    @property
    def mean(self) -> Tensor:
        """The mean, with its derivatives."""
        mean: Tensor = self._family.mean(*self._parameters().values(), xp=torch)
        return mean

    @property
    def variance(self) -> Tensor:
        """The variance, with its derivatives."""
        variance: Tensor = self._family.variance(*self._parameters().values(), xp=torch)
        return variance

    @property
    def mode(self) -> Tensor:
        """The most probable count; the larger one of two equally probable ones."""
        constants: dict[str, Value] = {n: p.detach() for n, p in self._parameters().items()}
        return evaluated(f"{self._family.name}_mode", constants)

    def get_normalized(self, key: str) -> Tensor:
        """The mean, for the key "mu".

        Raises:
            ValueError: Another key; there is no scale.
        """
        if key == "mu":
            return self.mean
        raise ValueError(f"the only key is 'mu', got {key!r}")

    def log_prob(self, value: Value) -> Tensor:
        """Log-probability of counts, by the function of the bridge for this distribution.

        With `validate_args`, a value that is not a count causes a warning and has -inf. Without, a
        positive real value has the formula's value, with gamma functions in place of factorials.
        """
        log_prob = type(self)._function(value, eps=self._eps, **self._arguments())
        return self._masked(value, log_prob)

    def log_cdf(self, value: Value) -> Tensor:
        """The logarithm of P(X <= value), accurate in both tails, with parameter derivatives.

        Args:
            value: Numbers, broadcast against the batch shape; those that are not whole are rounded
                down.
        """
        return self._evaluated("log_cdf", x=value)

    def log_sf(self, value: Value) -> Tensor:
        """The logarithm of P(X > value), as `log_cdf`."""
        return self._evaluated("log_sf", x=value)

    def log_interval(self, low: Value, high: Value) -> Tensor:
        """The logarithm of P(low <= X <= high), without cancellation, as `log_cdf`.

        Args:
            low: Numbers, broadcast against the batch shape; those that are not whole are rounded
                up.
            high: The same; they are rounded down, and may be infinite.
        """
        return self._evaluated("log_interval", low=low, high=high)

    def cdf(self, value: Value) -> Tensor:
        """P(X <= value), as `log_cdf`."""
        return torch.exp(self.log_cdf(value))

    def icdf(self, value: Value) -> Tensor:
        """The smallest count x with P(X <= x) >= value; its derivatives are 0.

        Args:
            value: Probabilities in [0, 1], broadcast against the batch shape.
        """
        return self._evaluated("quantile", q=value)

    def entropy(self) -> Tensor:
        """The entropy in nats, with derivatives in the parameters."""
        return self._evaluated("entropy")

    def expand(self, batch_shape: Any, _instance: Any = None) -> Self:
        """The distribution with its parameters expanded to a larger batch shape, as views."""
        new: Self = object.__new__(type(self)) if _instance is None else _instance
        expanded = {name: p.expand(torch.Size(batch_shape)) for name, p in self._kept.items()}
        new._keep(expanded, self._eps, False)
        _private.copy_validation(self, new)
        return new

    def sample(
        self, sample_shape: Any = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Counts of shape `sample_shape + batch_shape` in the dtype of the parameters.

        They have no derivatives. Under `torch.func.vmap`, `randomness="different"` gives each
        example draws of its own, and "same" the same random bits to all of them.

        Args:
            sample_shape: Shape of the independent draws, in front.
            generator: Where the seed comes from; None for torch's default one.

        Raises:
            ValueError: A parameter is negative or NaN, whether or not the distribution validates
                its arguments. To learn that, a GPU is waited for.
        """
        shape = torch.Size(sample_shape or ()) + self.batch_shape
        parameters = self._parameters().values()
        return draw(self._family.name, shape, *parameters, generator=generator)

    def rsample(
        self, sample_shape: Any = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """The same as `sample`: counts have no derivative, and `has_rsample` is false."""
        return self.sample(sample_shape, generator=generator)

    def _masked(self, value: Value, log_prob: Tensor) -> Tensor:
        """The log-probabilities; if asked to validate, -inf where the value is not a count."""
        if not _private.validates(self):
            return log_prob
        value = torch.as_tensor(value, device=log_prob.device)
        valid = self.support.check(value)
        masked = torch.where(valid | value.isnan(), log_prob, -torch.inf)
        if _private.has_no_values(valid):
            return masked
        if valid.all():
            return log_prob
        warn(
            "The value argument must be within the support of the distribution: values that are"
            " not have the log-probability -inf",
        )
        return masked

    def pearson_residuals(self, x: Tensor) -> Tensor:
        """(x - mean) / sqrt(variance); of a point mass, 0 for x = 0, else infinity."""
        deviation, variance = x - self.mean, self.variance
        certain = variance == 0
        residual = deviation / torch.sqrt(torch.where(certain, 1.0, variance))
        return torch.where(certain & (deviation != 0), torch.inf, residual)

    def __repr__(self) -> str:
        listed = (f"{n}: {p if p.numel() == 1 else p.size()}" for n, p in self._kept.items())
        return f"{type(self).__name__}({', '.join(listed)})"
