"""The parameters of a distribution on tensors: how they are given, kept and read."""

import math
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.distributions import constraints

from jaxnb.choices import HINTS
from jaxnb.families import Family
from jaxnb.torch_bridge.arguments import Arguments, cast, common_dtype

__all__ = [
    "LogScale",
    "Parameter",
    "ScaledParameter",
    "canonical",
    "extended_real",
    "float_parameters",
    "log_mean_of_logits",
    "log_odds",
    "log_ratio",
]


class _ExtendedReal(constraints.Constraint):
    """Every number but NaN. An infinite logit is a certainty, which the likelihoods allow."""

    def check(self, value: Tensor) -> Tensor:
        return ~value.isnan()


extended_real = _ExtendedReal()


class _Owner(Protocol):
    _kept: dict[str, Tensor]


class Parameter:
    """An attribute of a distribution that is kept as it was given; None if it was not given."""

    def __init__(self, constraint: constraints.Constraint) -> None:
        self.constraint = constraint

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: _Owner | None, owner: type) -> Any:
        return self if instance is None else self._value(instance._kept)

    def __set__(self, instance: _Owner, value: Tensor) -> None:
        instance._kept = instance._kept | {self.name: value}

    def _value(self, kept: dict[str, Tensor]) -> Tensor | None:
        return kept.get(self.name)


class ScaledParameter(Parameter):
    """A parameter that is kept, and can be assigned, as itself or as its logarithm."""

    def __set__(self, instance: _Owner, value: Tensor) -> None:
        instance._kept = _replaced(instance._kept, f"log_{self.name}", self.name, value)

    def _value(self, kept: dict[str, Tensor]) -> Tensor | None:
        if self.name in kept or f"log_{self.name}" not in kept:
            return kept.get(self.name)
        return torch.exp(kept[f"log_{self.name}"])


class LogScale(Parameter):
    """The logarithm of a `ScaledParameter`, whose name is this one's without "log_"."""

    def __init__(self) -> None:
        super().__init__(extended_real)

    def __set__(self, instance: _Owner, value: Tensor) -> None:
        instance._kept = _replaced(instance._kept, self.name.removeprefix("log_"), self.name, value)

    def _value(self, kept: dict[str, Tensor]) -> Tensor | None:
        if self.name in kept or (linear := self.name.removeprefix("log_")) not in kept:
            return kept.get(self.name)
        return torch.log(kept[linear])


def _replaced(kept: dict[str, Tensor], old: str, new: str, value: Tensor) -> dict[str, Tensor]:
    """What is kept, with the new name in the place of the old one."""
    renamed = {new if name == old else name: tensor for name, tensor in kept.items()}
    return renamed | {new: value}


def float_parameters(owner: str, validate: bool, given: Arguments) -> dict[str, Tensor]:
    """The parameters as tensors of the one floating dtype that they promote to.

    Raises:
        TypeError: None is a tensor, or one is complex, sparse or quantized.
        ValueError: The devices differ; or, if asked to validate, a probability is outside [0, 1] or
            a total_count negative or NaN.
    """
    tensors = cast(given, common_dtype(owner, given))
    if validate:
        _check_what_is_converted(owner, tensors)
    return tensors


_CONVERTED = {
    "total_count": constraints.nonnegative,
    "probs": constraints.unit_interval,
    "zi_probs": constraints.unit_interval,
}


def _check_what_is_converted(owner: str, parameters: dict[str, Tensor]) -> None:
    """Complain under the caller's name of what is kept in another form."""
    for name, constraint in _CONVERTED.items():
        value = parameters.get(name)
        if value is not None and not (valid := constraint.check(value)).all():
            wrong = value[~valid]
            raise ValueError(
                f"{owner} got an invalid {name}: {wrong.numel()} of {value.numel()} values, such as"
                f" {wrong[0].item()}, do not satisfy {constraint}{HINTS.get(name, '')}"
            )


def canonical(family: Family, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """The parameters of the table, in its order, each on the scale on which it is best computed."""
    if "total_count" in given:
        total_count = given["total_count"]
        if "probs" in given:
            mean = {"mu": total_count * (given["probs"] / (1 - given["probs"]))}
        else:
            mean = {"log_mu": log_mean_of_logits(total_count, given["logits"])}
        given = given | mean | {"theta": total_count}
    for p in family.parameters:
        if p.probability in given:
            given = given | {p.attribute: log_odds(given[p.probability])}
    names = [name for p in family.parameters for name in (p.attribute, p.log_attribute)]
    return {name: given[name] for name in names if name in given}


def log_mean_of_logits(total_count: Tensor, logits: Tensor) -> Tensor:
    """log(mu) = logits + log(total_count); -inf, with finite derivatives, at total_count = 0."""
    zero = total_count == 0
    return torch.where(zero, -torch.inf, logits + torch.log(torch.where(zero, 1.0, total_count)))


def log_odds(p: Tensor) -> Tensor:
    """log(p / (1 - p)), accurate also where p is near 1/2."""
    near = (p - 0.5).abs() < 0.25
    # 2 p - 1 is exact there; the rounding of 1 - p is not multiplied
    inside = torch.where(near, p, 0.5)
    close = torch.log1p((2 * inside - 1) / (1 - inside))
    outside = torch.where(near, 0.25, p)
    return torch.where(near, close, torch.log(outside) - torch.log1p(-outside))


def log_ratio(a: Tensor, b: Tensor) -> Tensor:
    """log(a / b) for a, b >= 0, accurate also where a is near b or the ratio overflows."""
    ratio = a / b
    near = (ratio - 1).abs() < 0.5
    # a - b is exact where the two are within a factor of 2 (Sterbenz)
    close = torch.log1p(torch.where(near, a - b, 0.0) / torch.where(near, b, 1.0))
    (of_a, power_a), (of_b, power_b) = _scaled(a), _scaled(b)
    apart = torch.log(of_a) - torch.log(of_b) + (power_a - power_b) * math.log(2)
    return torch.where(near, close, apart)


def _scaled(x: Tensor) -> tuple[Tensor, Tensor]:
    """x over the power of 2 next to it, and that power: derivatives of any order stay in range."""
    info = torch.finfo(x.dtype)
    normal = (x >= info.tiny) & (x <= info.max)
    largest = math.log2(info.max) - 3  # whose reciprocal is a normal number, too
    power = torch.log2(torch.where(normal, x, 1.0)).round().clamp(-largest, largest)
    return x * torch.exp2(-power), power
