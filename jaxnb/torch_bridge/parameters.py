"""From the parameters given to a distribution to the ones that it keeps."""

from collections.abc import Sequence

import torch
from torch import Tensor

from jaxnb.torch_bridge.arguments import Arguments, cast, common_dtype

__all__ = [
    "MEAN_AND_DISPERSION",
    "ZERO_INFLATION",
    "as_floats",
    "check_probabilities",
    "exactly_one",
    "mean_and_dispersion",
    "zero_inflation_logits",
]

Choices = Sequence[tuple[str, ...]]

MEAN_AND_DISPERSION: Choices = (
    ("mu", "theta"),
    ("total_count", "probs"),
    ("total_count", "logits"),
)
ZERO_INFLATION: Choices = (("zi_logits",), ("zi_probs",))


def exactly_one(owner: str, choices: Choices, **given: Tensor | float | None) -> Arguments:
    """The parameters that are not None.

    Raises:
        ValueError: They are not one of the choices in full, and nothing else.
    """
    present = {name: value for name, value in given.items() if value is not None}
    if set(present) not in [set(choice) for choice in choices]:
        listed = " or ".join(f"({', '.join(choice)})" for choice in choices)
        got = ", ".join(present) or "none of them"
        raise ValueError(f"{owner} needs exactly one of {listed}; got {got}")
    return present


def as_floats(owner: str, parameters: Arguments) -> dict[str, Tensor]:
    """The parameters as tensors of the one floating dtype that they promote to."""
    return cast(parameters, common_dtype(owner, parameters))


def check_probabilities(owner: str, parameters: dict[str, Tensor]) -> None:
    """Complain of what would not show in mu, theta and zi_logits.

    Raises:
        ValueError: probs or zi_probs are not within [0, 1].
    """
    for name in ("probs", "zi_probs"):
        value = parameters.get(name)
        if value is not None and not (valid := (value >= 0) & (value <= 1)).all():
            wrong = value[~valid]
            raise ValueError(
                f"{owner} got an invalid {name}: {wrong.numel()} of {value.numel()} values, such as"
                f" {wrong[0].item()}, are not within [0, 1]"
            )


def mean_and_dispersion(parameters: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Mu and theta from one choice of `MEAN_AND_DISPERSION`."""
    match parameters:
        case {"mu": mu, "theta": theta}:
            return mu, theta
        case {"total_count": total_count, "probs": probs}:
            return total_count * (probs / (1 - probs)), total_count
    return parameters["total_count"] * torch.exp(parameters["logits"]), parameters["total_count"]


def zero_inflation_logits(parameters: dict[str, Tensor]) -> Tensor:
    """The log-odds of an extra zero from one choice of `ZERO_INFLATION`."""
    if "zi_logits" in parameters:
        return parameters["zi_logits"]
    return torch.log(parameters["zi_probs"]) - torch.log1p(-parameters["zi_probs"])
