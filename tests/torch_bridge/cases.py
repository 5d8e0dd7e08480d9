"""The bridge's functions and classes, each with arguments: those of the registry, as tensors."""

from dataclasses import dataclass

import pytest
import registry
from nightly import nightly_but

# The test modules take torch and the bridge from here, so that each is skipped where there is none.
torch = pytest.importorskip("torch", reason='needs torch: pip install "jaxnb[torch]"')

from jaxnb import torch_bridge as bridge  # noqa: E402

__all__ = [
    "CASES",
    "CLASSES",
    "COUNTS",
    "MIXTURE",
    "NEGATIVE_BINOMIAL",
    "ZERO_INFLATED",
    "Case",
    "all_cases",
    "all_classes",
    "bridge",
    "one_case",
    "parameters",
    "torch",
]

COUNTS = torch.tensor([[0, 1, 2], [7, 0, 31]])


@dataclass(frozen=True)
class Case:
    """A function on tensors, and the same on arrays."""

    arrays: registry.Case

    def __repr__(self) -> str:
        return self.arrays.name

    @property
    def function(self):
        return getattr(bridge, self.arrays.family.function_name)

    @property
    def kind(self):
        return getattr(bridge, self.arrays.family.class_name)

    @property
    def parameters(self):
        return self.arrays.family.parameters

    def __call__(self, x, *values, eps=None):
        names = (parameter.name for parameter in self.parameters)
        return self.function(x, **dict(zip(names, values, strict=True)), eps=eps)

    def counts(self, dtype=torch.float64):
        """Counts that the distribution can have."""
        truncated = self.kind.support is torch.distributions.constraints.positive_integer
        return COUNTS.to(dtype).clamp(min=int(truncated))


CASES = [Case(case) for case in registry.CASES.values()]
NEGATIVE_BINOMIAL, ZERO_INFLATED, MIXTURE = CASES[:3]


def parameters(case, dtype=torch.float64, shape=(2, 3), seed=0, requires_grad=False):
    """One tensor a parameter: means and thetas within (0.1, 12), logits about 0."""
    generator = torch.Generator().manual_seed(seed)

    def one(constraint):
        normal = torch.randn(shape, generator=generator, dtype=torch.float64)
        value = torch.exp(normal) if constraint == "nonnegative" else normal
        return value.to(dtype).requires_grad_(requires_grad)

    return [one(parameter.constraint) for parameter in case.parameters]


def _keywords(case):
    """Those of the class: a mean with all axes of the batch, the others with fewer."""
    given = {}
    for parameter, array in zip(case.parameters, case.arrays.arrays((3, 2)), strict=True):
        whole = torch.from_numpy(array)
        part = whole[0] if parameter.constraint == "nonnegative" else whole[0, 0]
        given[parameter.attribute] = part if given else whole
    return given


CLASSES = {repr(case): (case.kind, _keywords(case)) for case in CASES}
"""By name, the class and its keywords; the batch shape of each is (3, 2)."""

all_cases = pytest.mark.parametrize("case", CASES, ids=repr)
all_classes = pytest.mark.parametrize("name", CLASSES)


def one_case(*which):
    """One function, or these; the others, with which the bridge does the same, at night."""
    often = which or (NEGATIVE_BINOMIAL,)
    return pytest.mark.parametrize("case", nightly_but(often, CASES), ids=repr)
