"""What is said of a distribution, once: its names, its parameters and its kernels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

__all__ = ["Constraint", "Declaration", "Parameter", "has_mean_and_theta"]

Constraint = Literal["nonnegative", "extended real"]
"""What a parameter may be: at least 0, infinity included; or any number but NaN."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a distribution.

    Attributes:
        name: Its keyword in the original's log-probability function, and the kernel's name for it.
        attribute: Its keyword and attribute in the classes.
        description: What it is, for the docstrings.
        constraint: The values that it may have.
        has_log_scale: Whether the logarithm may be given instead, under the name with "log_" in
            front.
        default: The name of the parameter whose value it takes where it is None.
        event: What it is the log-odds of, if it is that of something.
        probability: The keyword of the probability, which the classes take instead, if they do.
    """

    name: str
    attribute: str
    description: str
    constraint: Constraint = "nonnegative"
    has_log_scale: bool = True
    default: str | None = None
    event: str | None = None
    probability: str | None = None

    @property
    def keyword(self) -> str:
        """Its keyword in the functions that are generated."""
        return self.name if self.has_log_scale else self.attribute

    @property
    def log_name(self) -> str | None:
        """The keyword of the logarithm in the log-probability function, if there is one."""
        return f"log_{self.name}" if self.has_log_scale else None

    @property
    def log_attribute(self) -> str | None:
        """The keyword of the logarithm in the classes, if there is one."""
        return f"log_{self.attribute}" if self.has_log_scale else None


@dataclass(frozen=True)
class Declaration:
    """A distribution.

    Attributes:
        stem: The start of the names of its functions.
        name: Its name, and that of its sampler in `jaxnb.random`.
        class_name: The name of its classes, here and in the torch bridge.
        under: What a count is under, in a sentence.
        counts: What the counts are, the first line of the classes' docstrings.
        moments: The mean, the variance and the mode, for these docstrings.
        parameters: Its parameters, in the order in which its kernels take them.
        likelihood: The address of the kernel of the log-probability.
        module: The module of `jaxnb.cdf.kernels` with its tails, entropy, moments and draws.
        original: The name of the log-probability function in scvi-tools' pattern, if there is one.
        in_scvi: Whether scvi-tools has it, and a class of the same name.
        original_synonyms: The class in `jaxnb._names` of the other names of its parameters, if
            there are any.
        synonyms: The same for the other functions.
        class_synonyms: The same for the classes.
        probability: The probability of a count, as a formula.
        tail: The probability that a count is at most x, as a formula.
        condition: For which x the formulas hold, if not for all.
        notes: What a docstring says besides, by kind of function.
        has_floor: Whether the means have a floor unless `eps` says otherwise.
        has_scale: Whether the classes carry normalized expression along, as scvi-tools' do.
        lowest: The smallest count.
        part: Of which negative binomial the mean is, for the docstrings; "" if it is all there is.
        torch_base: The class of the bridge that is derived from, if not that of its parameters.
        fixed: Parameters with the value that they have here. Such a distribution is the limit of
            another one, has no sampler, entropy or class, and its docstrings refer to that one.
        limit_of: The stem of that one.
    """

    stem: str
    name: str
    class_name: str
    under: str
    counts: str
    moments: str
    parameters: tuple[Parameter, ...]
    likelihood: str
    module: str
    probability: str
    tail: str
    condition: str = ""
    original: str | None = None
    in_scvi: bool = False
    original_synonyms: str | None = None
    synonyms: str | None = None
    class_synonyms: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    has_floor: bool = True
    has_scale: bool = False
    lowest: int = 0
    part: str = ""
    torch_base: str | None = None
    fixed: Mapping[str, str] = field(default_factory=dict)
    limit_of: str | None = None

    @property
    def log_prob(self) -> str:
        """The name of the log-probability function that the table has."""
        return self.original or f"{self.stem}_log_prob"

    @property
    def has_mean(self) -> bool:
        """Whether a parameter is a mean, the only kind that `eps` is a floor of."""
        return any(p.attribute.startswith("mu") for p in self.parameters)

    @property
    def public(self) -> tuple[Parameter, ...]:
        """The parameters that are not fixed."""
        return tuple(p for p in self.parameters if p.name not in self.fixed)

    def limit(self, stem: str, under: str, **fixed: str) -> "Declaration":
        """The distribution with some of its parameters fixed."""
        return replace(self, stem=stem, under=under, fixed=fixed, limit_of=self.stem, notes={})


def has_mean_and_theta(parameters: Sequence[Parameter]) -> bool:
    """Whether there are one mean and one theta, which the classes take in further forms.

    Those are total_count with probs or logits.
    """
    return {"mu", "theta"} <= {p.attribute for p in parameters}
