"""The table of distributions: what each one is called, takes and can compute.

Everything that treats the distributions alike reads this table: the NumPyro classes, the torch
bridge, the fits, the benchmarks and the tests.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce, wraps
from operator import add
from typing import Any

from jaxnb import cdf, likelihoods, random
from jaxnb._types import Array, ArrayLike
from jaxnb.cdf import kernels
from jaxnb.cdf.calls import Kernel
from jaxnb.declaration import Constraint, Declaration, Parameter
from jaxnb.declarations import DECLARATIONS
from jaxnb.likelihoods.arguments import Pair, Scales, given_or
from jaxnb.likelihoods.primitives import outputs

__all__ = [
    "FAMILIES",
    "NEGATIVE_BINOMIAL",
    "Constraint",
    "Family",
    "Parameter",
    "tied",
]


@dataclass(frozen=True)
class Family:
    """A distribution as functions of its parameters, which are in the order of `parameters`.

    Attributes:
        name: The name of the distribution, and of its sampler in `jaxnb.random`.
        class_name: The name of its classes, here and in the torch bridge.
        parameters: Its parameters.
        floored: The places, among the parameters, of the means that have a floor unless another
            one is asked for.
        log_prob: The public function of (x, *parameters, eps).
        outputs: The kernel. Of places and arguments that are cast to one dtype and aligned,
            (x, *parameters, eps, scales), it returns the log-probability for the place `VALUE`, and
            for others its derivatives in the arguments there. `scales` has one entry for each
            parameter with a log scale.
        sampler: Of (key, *parameters, shape, dtype).
        mean: Of the parameters; `xp=torch` for tensors.
        variance: The same.
        mode: Of the parameters, for arrays only.
        log_cdf: The public function of (x, *parameters), log P(X <= x); None if there is none, and
            so for the next four.
        log_sf: log P(X > x).
        log_interval: The public function of (low, high, *parameters), log P(low <= X <= high).
        cdf: P(X <= x).
        sf: P(X > x).
        quantile: The public function of (q, *parameters), the smallest x with P(X <= x) >= q.
        entropy: The public function of the parameters.
        deviance: The public function of (x, *parameters), the unit deviance.
        kernel: The distribution functions as a kernel, from which those of the truncated
            distribution are made; None if there are none.
    """

    name: str
    class_name: str
    parameters: tuple[Parameter, ...]
    log_prob: Callable[..., Array]
    outputs: Callable[..., list[Array]]
    sampler: Callable[..., Array]
    mean: Callable[..., Any]
    variance: Callable[..., Any]
    mode: Callable[..., Array]
    log_cdf: Callable[..., Array] | None = None
    log_sf: Callable[..., Array] | None = None
    log_interval: Callable[..., Array] | None = None
    cdf: Callable[..., Array] | None = None
    sf: Callable[..., Array] | None = None
    quantile: Callable[..., Array] | None = None
    entropy: Callable[..., Array] | None = None
    deviance: Callable[..., Array] | None = None
    kernel: Kernel | None = None
    floored: tuple[int, ...] = ()

    @property
    def function_name(self) -> str:
        """The name of the log-probability function, here and in the torch bridge."""
        return self.log_prob.__name__

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of the tensor arguments of the log-probability function."""
        return ("x", *(parameter.name for parameter in self.parameters))

    def on_scales(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters as a kernel takes them: both forms of what has two, else itself.

        Args:
            arguments: Keywords of the log-probability function, of which one that is missing or
                None has its default.
        """
        pairs: dict[str, Any] = {}
        for p in self.parameters:
            given = arguments.get(p.name)
            if p.has_log_scale:
                given = Pair(given, arguments.get(f"log_{p.name}"))
                given = given_or(given, pairs[p.default]) if p.default else given
            pairs[p.name] = given
        return pairs

    @property
    def lowest(self) -> int:
        """The smallest count."""
        return 0 if self.kernel is None else self.kernel.lowest

    @property
    def linear_scales(self) -> Scales:
        """The scales of the kernel where no logarithm is given."""
        return tuple("linear" for parameter in self.parameters if parameter.has_log_scale)


def tied(family: Family) -> Family:
    """The family without its optional parameters: each is the one that it takes its value from.

    Its kernel gives the same array to both, so that what depends on that array alone is computed
    once; the derivative is the sum of the two.
    """
    kept = tuple(parameter for parameter in family.parameters if parameter.default is None)
    index = {parameter.name: place for place, parameter in enumerate(kept)}
    sources = [index[parameter.default or parameter.name] for parameter in family.parameters]

    def spread(values: Sequence[Any]) -> list[Any]:
        return [values[source] for source in sources]

    def with_none(values: Sequence[Any]) -> list[Any]:
        given = dict(zip((parameter.name for parameter in kept), values, strict=True))
        return [given.get(parameter.name) for parameter in family.parameters]

    def without_optional(function: Any) -> Any:
        """A function of (x, *parameters) that takes the kept parameters alone, or None as it is."""
        return without_optional_after(1, function)

    def without_optional_after(number: int, function: Any) -> Any:
        """The same of a function that takes as many other arguments before the parameters."""

        @wraps(function)
        def of_kept(*given: ArrayLike, **options: Any) -> Array:
            value: Array = function(*given[:number], *with_none(given[number:]), **options)
            return value

        return of_kept if function else None

    def outputs(places: Sequence[int], x: Array, *arguments: Any) -> list[Array]:
        *values, eps, scales = arguments
        scaled = [parameter.has_log_scale for parameter in kept]
        remaining = iter(scales)
        scale_of = [next(remaining) if has_log_scale else None for has_log_scale in scaled]
        every_scale = tuple(scale for scale in spread(scale_of) if scale is not None)
        parts = [
            [1 + k for k, source in enumerate(sources) if 1 + source == place] or [place]
            for place in places
        ]
        every = tuple(part for of_place in parts for part in of_place)
        found = iter(family.outputs(every, x, *spread(values), eps, every_scale))
        return [reduce(add, [next(found) for _ in of_place]) for of_place in parts]

    return replace(
        family,
        name=f"{family.name}_tied",
        parameters=kept,
        outputs=outputs,
        entropy=None,
        log_prob=without_optional(family.log_prob),
        sampler=without_optional(family.sampler),
        log_cdf=without_optional(family.log_cdf),
        log_sf=without_optional(family.log_sf),
        log_interval=without_optional_after(2, family.log_interval),
        cdf=without_optional(family.cdf),
        sf=without_optional(family.sf),
        quantile=without_optional(family.quantile),
        mean=lambda *values, **options: family.mean(*spread(values), **options),
        variance=lambda *values, **options: family.variance(*spread(values), **options),
        mode=lambda *values: family.mode(*spread(values)),
    )


def _at(address: str) -> Any:
    module, _, name = address.partition(":")
    return getattr(importlib.import_module(module), name)


def _family(declared: Declaration) -> Family:
    """The family that a declaration and its kernels make."""
    likelihood = _at(declared.likelihood)
    module = importlib.import_module(f"{kernels.__name__}.{declared.module}")
    functions = {
        kind: getattr(cdf, f"{declared.stem}_{kind}")
        for kind in ("log_cdf", "log_sf", "log_interval", "cdf", "sf", "quantile", "entropy")
    }
    return Family(
        name=declared.name,
        class_name=declared.class_name,
        parameters=declared.parameters,
        floored=likelihood.floored,
        log_prob=getattr(likelihoods, declared.log_prob),
        outputs=partial(outputs, likelihood),
        sampler=getattr(random, declared.name),
        mean=module.mean,
        variance=module.variance,
        mode=module.mode,
        deviance=getattr(likelihoods, f"{declared.stem}_deviance", None),
        kernel=module.KERNEL,
        **functions,
    )


FAMILIES: dict[str, Family] = {
    declared.name: _family(declared) for declared in DECLARATIONS if not declared.limit_of
}
"""Every distribution of the package, by name."""


NEGATIVE_BINOMIAL = FAMILIES["negative_binomial"]
