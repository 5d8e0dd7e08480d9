"""Which sets of parameters a caller of the classes may give, of arrays or of tensors."""

from collections.abc import Sequence
from typing import Any

from jaxnb.declaration import has_mean_and_theta
from jaxnb.families import Family

__all__ = ["HINTS", "MEAN_AND_DISPERSION", "Choices", "choices_of", "chosen"]

Choices = Sequence[tuple[str, ...]]
"""Sets of parameters of which a caller gives exactly one, in full."""

MEAN_AND_DISPERSION: Choices = (
    ("mu", "theta"),
    ("mu", "log_theta"),
    ("log_mu", "theta"),
    ("log_mu", "log_theta"),
    ("total_count", "probs"),
    ("total_count", "logits"),
)

_MEAN_OR_THETA = {"mu", "log_mu", "theta", "log_theta"}

HINTS = {
    "probs": ". The first two positional arguments are total_count and probs: for a mean and a"
    " concentration write mu=mean, theta=concentration"
}
"""What may be meant by an invalid parameter."""


def choices_of(family: Family) -> tuple[Choices, ...]:
    """For each parameter: itself, its logarithm or its probability, or nothing if it has a default.

    A mean and a theta are chosen together, since they have further forms.
    """
    together = {"mu", "theta"} if has_mean_and_theta(family.parameters) else set()
    rest = tuple(
        (
            (p.attribute,),
            *((other,) for other in (p.log_attribute, p.probability) if other),
            *([()] if p.default else []),
        )
        for p in family.parameters
        if p.attribute not in together
    )
    return (MEAN_AND_DISPERSION, *rest) if together else rest


def chosen(owner: str, choices: Choices, **given: Any) -> dict[str, Any]:
    """The parameters that are not None, arrays or tensors.

    Raises:
        ValueError: They are not one of the choices in full, and nothing else.
    """
    present = {name: value for name, value in given.items() if value is not None}
    if set(present) not in [set(choice) for choice in choices]:
        number = "at most" if () in choices else "exactly"
        listed = " or ".join(f"({', '.join(choice)})" for choice in choices if choice)
        got = ", ".join(present) or "none of them"
        by_position = "total_count" in present and present.keys() & _MEAN_OR_THETA
        hint = ". The first positional argument is total_count: write mu=" if by_position else ""
        raise ValueError(f"{owner} needs {number} one of {listed}; got {got}{hint}")
    return present
