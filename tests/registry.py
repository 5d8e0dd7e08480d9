"""Every distribution of the package with arguments to call it with: what the generic tests read.

All is derived from the table of distributions, so that a new one is in every generic test without a
line here. The values differ from parameter to parameter and are far from the ends of the ranges.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

import jaxnb
from jaxnb.families import FAMILIES, Family, tied

# Zeros, ones, small and large whole counts.
COUNTS = np.array([0.0, 1.0, 2.0, 3.0, 17.0], np.float32)
# Not whole: through the recurrence for small counts.
FRACTIONS = np.array([0.4, 1.3], np.float32)

_FIRST = {"nonnegative": 1.5, "extended real": -0.7}


@dataclass(frozen=True)
class Case:
    """A distribution, with one value for each of its parameters."""

    name: str
    family: Family
    values: tuple[float, ...]

    def __repr__(self) -> str:
        return self.name

    @property
    def positions(self) -> tuple[int, ...]:
        """Of the parameters among the arguments of the log-probability."""
        return tuple(range(1, len(self.values) + 1))

    @property
    def scaled(self) -> tuple[bool, ...]:
        """For each parameter, whether its logarithm may be given."""
        return tuple(parameter.has_log_scale for parameter in self.family.parameters)

    @property
    def parameters(self) -> list[np.float32]:
        return [np.float32(value) for value in self.values]

    def arrays(self, shape: tuple[int, ...] = (), seed: int = 0) -> list[np.ndarray]:
        """Parameters of this shape around the values, within a factor e or 1 of them."""
        rng = np.random.default_rng(seed)
        return [
            (
                value * np.exp(rng.uniform(-1, 1, shape))
                if parameter.constraint == "nonnegative"
                else value + rng.uniform(-1, 1, shape)
            ).astype(np.float32)
            for value, parameter in zip(self.values, self.family.parameters, strict=True)
        ]

    def log_prob(self, x, *parameters, **options):
        return self.family.log_prob(x, *parameters, **options)

    def on_log_scale(self, x, *parameters):
        """The log-probability of logarithms, where a parameter has a log scale."""
        linear, logs = [], {}
        for parameter, value in zip(self.family.parameters, parameters, strict=True):
            linear.append(None if parameter.has_log_scale else value)
            if parameter.log_name:
                logs[parameter.log_name] = value
        return self.family.log_prob(x, *linear, **logs)

    def logarithms(self, parameters) -> list[np.ndarray]:
        """What `on_log_scale` takes for these parameters."""
        return [
            np.log(value) if scaled else value
            for value, scaled in zip(parameters, self.scaled, strict=True)
        ]

    def distribution(self, **options: Any):
        """The NumPyro class with these values."""
        attributes = (parameter.attribute for parameter in self.family.parameters)
        made = getattr(jaxnb, self.family.class_name)
        return made(**dict(zip(attributes, self.parameters, strict=True)), **options)


def _case(name: str, family: Family) -> Case:
    values = (
        _FIRST[parameter.constraint] * (1 + place)
        for place, parameter in enumerate(family.parameters)
    )
    return Case(name, family, tuple(values))


DISTRIBUTIONS: dict[str, Case] = {name: _case(name, family) for name, family in FAMILIES.items()}
"""Every distribution, once."""

CASES: dict[str, Case] = DISTRIBUTIONS | {
    f"{name}_tied": _case(f"{name}_tied", tied(family))
    for name, family in FAMILIES.items()
    if any(parameter.default for parameter in family.parameters)
}
"""Every distribution and every variant that has a program of its own."""
