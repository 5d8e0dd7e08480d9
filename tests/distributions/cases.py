"""Each class of the table of distributions in each of its parameterizations."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from registry import DISTRIBUTIONS

import jaxnb
from jaxnb.distributions.base import CountDistribution

NB, ZINB = jaxnb.NegativeBinomial, jaxnb.ZeroInflatedNegativeBinomial
MIX = jaxnb.NegativeBinomialMixture
CLASSES = [getattr(jaxnb, case.family.class_name) for case in DISTRIBUTIONS.values()]

SHAPE = (3, 2)
MU = np.array([[0.4, 3.0], [7.0, 21.0], [1.0, 5.0]], np.float32)
THETA = np.array([0.8, 4.0], np.float32)
COUNTS = np.array([[1.0, 2.0], [9.0, 17.0], [3.0, 4.0]], np.float32)

# Of the parameters in the order of the table: different ones, and SHAPE only together.
_SHAPES = [(3, 2), (2,), (), (3, 1), (2,)]


@dataclass(frozen=True)
class Parameterized:
    """A distribution by one of its parameterizations.

    Attributes:
        constructor: The class.
        given: The parameters that it is made from.
        canonical: Those of the table, by their attributes, which are the same in all of them.
    """

    constructor: type[CountDistribution]
    given: dict[str, Any]
    canonical: dict[str, Any]

    def made(self, **options: Any) -> CountDistribution:
        return self.constructor(**self.given, **options)

    def recorder(self, **options: Any) -> CountDistribution:
        """The same, of a class whose functions return the arguments that they are called with."""
        return recording(self.constructor)(**self.given, **options)


def recording(constructor: type[CountDistribution]) -> type[CountDistribution]:
    def record(*args: Any, **kwargs: Any) -> tuple[tuple, dict[str, Any]]:
        return args, kwargs

    family = constructor.family
    functions = {name: record for name, value in vars(family).items() if callable(value)}
    return type("Recording", (constructor,), {"family": replace(family, **functions)})


def _canonical(name: str) -> dict[str, Any]:
    case = DISTRIBUTIONS[name]
    values = zip(case.family.parameters, case.arrays(SHAPE), _SHAPES, strict=False)
    return {
        parameter.attribute: value[(0,) * (len(SHAPE) - len(shape))][tuple(map(slice, shape))]
        for parameter, value, shape in values
    }


def _form(name: str, canonical: dict[str, Any]) -> Any:
    """A parameter in any of its forms, from those of the table."""
    if name in canonical:
        return canonical[name]
    if name.startswith("log_"):
        return np.log(canonical[name.removeprefix("log_")])
    mu, theta = canonical["mu"], canonical["theta"]
    return {
        "total_count": lambda: theta,
        "probs": lambda: mu / (mu + theta),
        "logits": lambda: np.log(mu / theta),
        "zi_probs": lambda: 1 / (1 + np.exp(-canonical["zi_logits"])),
    }[name]()


def _names(constructor: type[CountDistribution]) -> Iterator[list[str]]:
    """The names of the parameters: each choice of each group at least once."""
    groups = constructor.choices
    for variant in range(max(map(len, groups))):
        yield [name for group in groups for name in group[variant % len(group)]]
    yield [name for place, group in enumerate(groups) for name in group[place % len(group)]]


def _parameterized(constructor: type[CountDistribution]) -> Iterator[tuple[str, Parameterized]]:
    canonical = _canonical(constructor.family.name)
    defaults = {p.attribute: p.default for p in constructor.family.parameters if p.default}
    attributes = {p.name: p.attribute for p in constructor.family.parameters}
    for names in _names(constructor):
        given = {name: _form(name, canonical) for name in names}
        left_out = {
            attribute: canonical[attributes[default]]
            for attribute, default in defaults.items()
            if not {attribute, f"log_{attribute}"} & set(names)
        }
        case = Parameterized(constructor, given, canonical | left_out)
        yield f"{constructor.__name__}({', '.join(names)})", case


CASES: dict[str, Parameterized] = dict(
    entry for constructor in CLASSES for entry in _parameterized(constructor)
)
"""Every class with every set of parameters that it can be made from."""

ONE_OF_EACH: dict[str, Parameterized] = {
    name: next(case for case in CASES.values() if case.constructor.family.name == name)
    for name in DISTRIBUTIONS
}
"""Every class by the parameters of the table, for what cannot depend on how they were given."""
