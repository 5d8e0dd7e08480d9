"""The bridge's functions, each with arguments that reach every branch."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

import jaxnb

# The test modules take torch and the bridge from here, so that each is skipped where there is none.
torch = pytest.importorskip("torch", reason='needs torch: pip install "jaxnb[torch]"')

from jaxnb import torch_bridge as bridge  # noqa: E402

__all__ = ["CASES", "Case", "bridge", "counts", "parameters", "torch"]


class Case(NamedTuple):
    """A function on tensors, the same on arrays, and the ranges of its parameters."""

    function: Callable
    of_arrays: Callable
    parameters: tuple[str, ...]
    shared_theta: bool = False

    def __repr__(self) -> str:
        return self.function.__name__ + ("_of_one_theta" if self.shared_theta else "")

    def __call__(self, x, *parameters, eps=None):
        return self.function(x, *self._with_none(parameters), eps)

    def on_arrays(self, x, *parameters, eps=None):
        return self.of_arrays(x, *self._with_none(parameters), eps)

    def _with_none(self, parameters):
        return (*parameters[:3], None, *parameters[3:]) if self.shared_theta else parameters


CASES = [
    Case(bridge.log_nb_positive, jaxnb.log_nb_positive, ("mu", "theta")),
    Case(bridge.log_zinb_positive, jaxnb.log_zinb_positive, ("mu", "theta", "logit")),
    Case(
        bridge.log_mixture_nb,
        jaxnb.log_mixture_nb,
        ("mu", "mu", "theta", "theta", "logit"),
    ),
    Case(
        bridge.log_mixture_nb,
        jaxnb.log_mixture_nb,
        ("mu", "mu", "theta", "logit"),
        shared_theta=True,
    ),
]

COUNTS = torch.tensor([[0, 1, 2], [7, 0, 31]])


def counts(dtype=torch.float64):
    return COUNTS.to(dtype)


def parameters(case, dtype=torch.float64, shape=(2, 3), seed=0, requires_grad=False):
    """One tensor a parameter: means and thetas within (0.1, 12), logits about 0."""
    generator = torch.Generator().manual_seed(seed)

    def one(kind):
        normal = torch.randn(shape, generator=generator, dtype=torch.float64)
        value = normal if kind == "logit" else torch.exp(normal)
        return value.to(dtype).requires_grad_(requires_grad)

    return [one(kind) for kind in case.parameters]
