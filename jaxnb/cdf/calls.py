"""What every distribution function does with its arguments, and what is computed of a kernel."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType

from jaxnb._elementwise import elementwise
from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.levels import LevelKind
from jaxnb.cdf.search import Around, Question, smallest_count
from jaxnb.cdf.tails import Tails
from jaxnb.likelihoods.arguments import Given, Scales, argument, checked, on_scales, promote
from jaxnb.likelihoods.evaluate import Likelihood
from jaxnb.likelihoods.primitives import value

__all__ = ["Component", "Given", "Kernel", "log_tail", "quantile", "quantile_of_arrays"]


class Component(NamedTuple):
    """A negative binomial that is a part of a distribution, for counts from 1 on."""

    log_weight: Array | float
    mu: Array
    theta: Array

    def weighted(self, log_weight: Array) -> "Component":
        """The part with a further weight."""
        return self._replace(log_weight=self.log_weight + log_weight)


class Kernel(NamedTuple):
    """A distribution, as functions of arguments that are cast to one dtype and aligned.

    All of them take `scales`, one for each parameter that has a logarithm; those come first.

    Attributes:
        log_tails: Of (scales, x, *parameters), log F and log(1 - F).
        fixed: Of (scales, *parameters), what `around` needs of them: a tree of arrays.
        around: Of (x, fixed), log F and log(1 - F), and the parts that the probabilities of counts
            from `lowest` + 1 on are the sum of; without any, the search for a quantile is slower.
        start: Of (scales, log_lower, log_upper, *parameters), the quantile, roughly.
        upper_end: Of (scales, *parameters), a number that is positive unless the distribution is a
            point mass.
        components: Of (scales, *parameters), the negative binomials that it is the sum of for
            counts from 1 on; none if it is not such a sum, and has no mean within bounds.
        likelihood: The kernel of its log-probability.
        lowest: The smallest count.
        between: Of (scales, x, *parameters), the log-probability of counts from 1 on, continued
            between them; None where the likelihood is not -inf there.
        log_interval: Of (scales, low, high, *parameters), log P(low <= X <= high) from those of
            components; None where it is made of the tails and the probabilities.
    """

    log_tails: Callable[..., Tails]
    fixed: Callable[..., Any]
    around: Around
    start: Callable[..., Array]
    upper_end: Callable[..., Array]
    components: Callable[..., list[Component]]
    likelihood: Likelihood
    lowest: int = 0
    between: Callable[..., Array] | None = None
    log_interval: Callable[..., Array] | None = None

    def log_probability(self, scales: Scales, x: Array, *parameters: Array) -> Array:
        """That of the count x, with no floor on the means."""
        return value(self.likelihood, x, *parameters, jnp.zeros((), x.dtype), scales)

    def continued(self, scales: Scales, x: Array, *parameters: Array) -> Array:
        """The log-probability of counts from 1 on, continued to the numbers between them."""
        return (self.between or self.log_probability)(scales, x, *parameters)


def log_tail(kernel: Kernel, owner: str, upper: bool, x: ArrayLike, **parameters: Given) -> Array:
    """log(1 - F) if `upper`, else log F, for the arguments of the public function `owner`."""
    names, values, scales = checked(owner, parameters)
    result: Array = _log_tail(kernel, upper, scales, names, argument("x", x), *values)
    return result


def quantile(
    kernel: Kernel,
    owner: str,
    q: ArrayLike | None,
    log_q: ArrayLike | None,
    upper: bool,
    **parameters: Given,
) -> Array:
    """The quantile for the arguments of the public function `owner`."""
    (probability,), (kind,) = on_scales(owner, q=(q, log_q))
    names, values, scales = checked(owner, parameters)
    level = LevelKind(kind == "log", upper)
    result: Array = _quantile(kernel, level, scales, names, probability, *values)
    return result


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _log_tail(
    kernel: Kernel,
    upper: bool,
    scales: Scales,
    names: tuple[str, ...],
    x: ArrayLike,
    *parameters: ArrayLike,
) -> Array:
    result_type, (x, *aligned) = promote(x=x, **dict(zip(names, parameters, strict=True)))
    return kernel.log_tails(scales, x, *aligned)[upper].astype(result_type)


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _quantile(
    kernel: Kernel,
    level: LevelKind,
    scales: Scales,
    names: tuple[str, ...],
    q: ArrayLike,
    *parameters: ArrayLike,
) -> Array:
    result_type, arguments = promote(x=q, **dict(zip(names, parameters, strict=True)))
    return quantile_of_arrays(kernel, level, scales, *arguments).astype(result_type)


def quantile_of_arrays(
    kernel: Kernel, level: LevelKind, scales: Scales, *arguments: Array
) -> Array:
    """The quantile of arguments that are cast to one dtype and aligned, without derivatives.

    Args:
        kernel: The distribution.
        level: How the level is given.
        scales: Of the parameters.
        arguments: The numbers that are the level, and the parameters.
    """
    count: Array
    (count,) = _quantile_p.bind(  # type: ignore[no-untyped-call]
        *map(lax.stop_gradient, arguments),
        kernel=kernel,
        level=level,
        scales=scales,
        # slots would move elements between devices
        in_slots=not any(_explicitly_spread(a) for a in arguments),
    )
    return count


def _explicitly_spread(array: Array) -> bool:
    aval: Any = jax.typeof(array)
    return AxisType.Explicit in aval.sharding.mesh.axis_types


def _evaluated(
    *arguments: Array, kernel: Kernel, level: LevelKind, scales: Scales, in_slots: bool
) -> tuple[Array, ...]:
    def asked(*arguments: Array) -> Question:
        numbers, parameters = arguments[: level.numbers], arguments[level.numbers :]
        target = level.level(*numbers)
        start = kernel.start(scales, target.log_lower, target.log_upper, *parameters)
        searched = target.inside & _valid(scales, parameters)
        return Question(target, start, searched, kernel.fixed(scales, *parameters))

    count = smallest_count(
        kernel.around, asked, kernel.lowest, arguments, kind=level, in_slots=in_slots
    )
    numbers, parameters = arguments[: level.numbers], arguments[level.numbers :]
    target = level.level(*numbers)
    unbounded = kernel.upper_end(scales, *parameters) > 0
    count = jnp.where(target.everything & unbounded, jnp.inf, count)
    return (jnp.where(target.possible & _valid(scales, parameters), count, jnp.nan),)


_quantile_p: Final = elementwise("jaxnb_quantile", _evaluated)


def _valid(scales: Scales, parameters: Sequence[Array]) -> Array:
    """Whether none is NaN, nor one on the linear scale negative."""
    valid = jnp.asarray(True)
    for place, parameter in enumerate(parameters):
        linear = place < len(scales) and scales[place] == "linear"
        valid = valid & (parameter >= (0.0 if linear else -jnp.inf))
    return valid
