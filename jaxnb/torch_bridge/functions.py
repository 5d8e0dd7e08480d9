"""The functions of arrays that the bridge makes functions of tensors, by name.

They come from the table of distributions: the log-likelihoods with their kernels, and the
distribution functions, quantiles, entropies and modes as they are.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.cdf import nb_kl_divergence
from jaxnb.cdf.grouped_divergence import grouped_divergence
from jaxnb.cdf.truncation import truncated_log_tail, truncated_mean, truncated_quantile
from jaxnb.families import FAMILIES, Family, tied
from jaxnb.likelihoods.arguments import Scale, Scales, floor_of
from jaxnb.likelihoods.evaluate import VALUE

__all__ = ["FUNCTIONS", "Pointwise", "along", "divergence_of", "found", "named", "truncated"]


class Pointwise(NamedTuple):
    """A function whose result has an element for each element of its arguments together.

    Attributes:
        arguments: Their names.
        scaled: The names of those that may be given by their logarithms.
        outputs: Of (places, *arguments, floor on the means, scales), the value for the place
            `VALUE`, and for others the derivative in the argument there.
        floored: The places, among those, of the means that have a floor.
        derivatives_are_shared: Whether a value and its first derivatives together cost little more
            than the value.
    """

    arguments: tuple[str, ...]
    scaled: tuple[str, ...]
    outputs: Callable[..., list[Array]]
    floored: tuple[int, ...] = ()
    derivatives_are_shared: bool = False

    def floor(self, eps: float | None, dtype: jnp.dtype, scales: Scales) -> Array:
        """The floor on the means."""
        return floor_of(eps, dtype, *(scales[place] for place in self.floored))


def along(function: Callable[..., Array], place: int) -> Callable[..., Array]:
    """The derivative of a pointwise function in one of its arguments."""

    def derivative(*arrays: Array) -> Array:
        def of_one(array: Array) -> Array:
            return function(*arrays[:place], array, *arrays[place + 1 :])

        array = arrays[place]
        tangent: Array = jax.jvp(of_one, (array,), (jnp.ones_like(array),))[1]
        return tangent

    return derivative


def _as_it_is(
    function: Callable[..., Array], arguments: tuple[str, ...], scaled: tuple[str, ...]
) -> Pointwise:
    """A public function, which knows its derivatives, as a `Pointwise`."""

    def outputs(places: Sequence[int], *given: Any) -> list[Array]:
        *arrays, _, scales = given
        keywords = dict(zip(scaled, scales, strict=True))
        names = [f"log_{n}" if keywords.get(n) == "log" else n for n in arguments]

        def of(*arrays: Array) -> Array:
            return function(**dict(zip(names, arrays, strict=True)))

        return [(of if place == VALUE else along(of, place))(*arrays) for place in places]

    return Pointwise(arguments, scaled, outputs)


def _without_derivatives(function: Callable[..., Array], arguments: tuple[str, ...]) -> Pointwise:
    """A function of arrays that is constant between its steps."""

    def outputs(places: Sequence[int], *given: Any) -> list[Array]:
        *arrays, _, _ = given
        value = function(*arrays)
        return [value if place == VALUE else jnp.zeros_like(value) for place in places]

    return Pointwise(arguments, (), outputs)


def _of_family(family: Family) -> Iterator[tuple[str, Pointwise]]:
    """Its functions, with and without the parameters that may be left out."""
    every = family.parameters
    kept = tuple(p for p in every if not p.default)
    yield f"{family.name}_mode", _without_derivatives(family.mode, tuple(p.name for p in every))
    for suffix, parameters in (("", every), ("_tied", kept)) if kept != every else (("", every),):
        names = tuple(p.name for p in parameters)
        scaled = tuple(p.name for p in parameters if p.has_log_scale)
        kernel = tied(family) if suffix else family
        likelihood = Pointwise(("x", *names), scaled, kernel.outputs, family.floored, True)
        yield f"{family.function_name}{suffix}", likelihood
        for function, first in (
            (family.log_cdf, ("x",)),
            (family.log_sf, ("x",)),
            (family.log_interval, ("low", "high")),
            (family.quantile, ("q",)),
            (family.entropy, ()),
        ):
            if function is not None:
                yield (
                    f"{function.__name__}{suffix}",
                    _as_it_is(function, (*first, *names), scaled),
                )


def _of_truncated(family: Family) -> Iterator[tuple[str, Pointwise]]:
    """The functions of the distribution truncated to an interval, by `truncated(family, name)`."""
    every = family.parameters
    kept = tuple(p for p in every if not p.default)
    functions: dict[str, tuple[Callable[..., Array], tuple[str, ...]]] = {
        "log_cdf": (partial(truncated_log_tail, upper=False), ("x",)),
        "log_sf": (partial(truncated_log_tail, upper=True), ("x",)),
        "quantile": (partial(truncated_quantile, upper=False), ("q",)),
        "upper_quantile": (partial(truncated_quantile, upper=True), ("q",)),
        "mean": (truncated_mean, ()),
    }
    for suffix, parameters in (("", every), ("_tied", kept)) if kept != every else (("", every),):
        names = tuple(p.name for p in parameters)
        scaled = tuple(p.name for p in parameters if p.has_log_scale)
        for name, (function, first) in functions.items():
            leading = (*first, "low", "high")

            def of(
                function: Callable[..., Array] = function,
                leading: tuple[str, ...] = leading,
                **arguments: Array,
            ) -> Array:
                before = [arguments.pop(argument) for argument in leading]
                given = family.on_scales(arguments)
                return function(family.kernel, "Truncated", *before, **given)

            yield f"{truncated(family, name)}{suffix}", _as_it_is(of, (*leading, *names), scaled)


def truncated(family: Family, function: str) -> str:
    """The name of a function of the truncated distribution."""
    return f"{family.name}_truncated_{function}"


def divergence_of(hurdle_1: bool, hurdle_2: bool) -> str:
    """The name of a divergence of distributions that are negative binomials but for their zeros."""
    return "kl_divergence_of_" + "_and_".join(
        "hurdle" if hurdle else "inflated" for hurdle in (hurdle_1, hurdle_2)
    )


def _divergences() -> Iterator[tuple[str, Pointwise]]:
    yield (
        "nb_kl_divergence",
        _as_it_is(nb_kl_divergence, ("mu_1", "theta_1", "mu_2", "theta_2"), ()),
    )
    names = tuple(f"{name}_{k}" for k in (1, 2) for name in ("mu", "theta", "zi_logits"))
    for hurdles in product((False, True), repeat=2):
        yield divergence_of(*hurdles), _as_it_is(partial(grouped_divergence, *hurdles), names, ())


FUNCTIONS: dict[str, Pointwise] = {
    name: function
    for family in FAMILIES.values()
    for name, function in (*_of_family(family), *_of_truncated(family))
} | dict(_divergences())
"""Every function, by its name, with "_tied" behind it if a parameter takes another one's value."""


def named(function: str, logarithms: Sequence[str]) -> str:
    """The name of a function that takes the logarithms of some of its parameters."""
    return f"{function}/{','.join(logarithms)}" if logarithms else function


@cache
def found(name: str) -> tuple[Pointwise, Scales]:
    """The function of that name, and the scales of its parameters."""
    function, _, logarithms = name.partition("/")
    pointwise, logs = FUNCTIONS[function], set(filter(None, logarithms.split(",")))
    log_names = [f"log_{scaled}" for scaled in pointwise.scaled]
    if unknown := logs.difference(log_names):
        raise ValueError(f"{function} has no parameter {', '.join(sorted(unknown))}")
    scales: list[Scale] = ["log" if log_name in logs else "linear" for log_name in log_names]
    return pointwise, tuple(scales)
