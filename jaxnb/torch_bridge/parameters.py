"""From the parameters given to a distribution to the ones that it keeps."""

import torch
from torch import Tensor

from jaxnb.torch_bridge.arguments import Arguments, cast, common_dtype

__all__ = ["float_parameters", "mean_and_dispersion", "zero_inflation_logits"]


def float_parameters(owner: str, validate: bool, given: Arguments) -> dict[str, Tensor]:
    """The parameters as tensors of the one floating dtype that they promote to.

    Raises:
        TypeError: None is a tensor, or one is complex, sparse or quantized.
        ValueError: The devices differ; or, if asked to validate, a probability is none.
    """
    tensors = cast(given, common_dtype(owner, given))
    if validate:
        _check_probabilities(owner, tensors)
    return tensors


def _check_probabilities(owner: str, parameters: dict[str, Tensor]) -> None:
    """Complain of what would not show in mu, theta and zi_logits."""
    for name in ("probs", "zi_probs"):
        value = parameters.get(name)
        if value is not None and not (valid := (value >= 0) & (value <= 1)).all():
            wrong = value[~valid]
            raise ValueError(
                f"{owner} got an invalid {name}: {wrong.numel()} of {value.numel()} values, such as"
                f" {wrong[0].item()}, are not within [0, 1]"
            )


def mean_and_dispersion(parameters: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Mu and theta from (mu, theta), (total_count, probs) or (total_count, logits)."""
    match parameters:
        case {"mu": mu, "theta": theta}:
            return mu, theta
        case {"total_count": total_count, "probs": probs}:
            return total_count * (probs / (1 - probs)), total_count
    return parameters["total_count"] * torch.exp(parameters["logits"]), parameters["total_count"]


def zero_inflation_logits(parameters: dict[str, Tensor]) -> Tensor:
    """The log-odds of an extra zero from zi_logits or zi_probs."""
    if "zi_logits" in parameters:
        return parameters["zi_logits"]
    return torch.log(parameters["zi_probs"]) - torch.log1p(-parameters["zi_probs"])
