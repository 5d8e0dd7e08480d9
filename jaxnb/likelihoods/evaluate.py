"""Evaluating a likelihood and its derivatives: one conditional on CPU, and none elsewhere.

A `Likelihood` is given as two functions of arguments that are ready for it: the value and first
derivatives, and Hessian times vector. Both hold everywhere. If every argument is ordinary a
cheaper state of the same code does, and on CPU one conditional around everything that is wanted
chooses between the two; unusual arguments go by blocks of columns. On GPU and TPU the general state
serves all, in stages: see `Arguments.after`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple, Protocol

import jax.numpy as jnp
from jax import lax

from jaxnb._materialize import any_in_batch, in_blocks
from jaxnb._types import Array
from jaxnb.likelihoods.arguments import Scales
from jaxnb.likelihoods.ranges import Theta, theta_within

__all__ = [
    "VALUE",
    "Arguments",
    "Directions",
    "Likelihood",
    "by_point",
    "dot",
    "evaluated",
    "product",
]

VALUE: Final = -1
"""The output that is the value; others are derivatives, by the places of their arguments."""

Directions = dict[int, Array]
"""Tangents by the places of the arguments; one that is 0 is left out."""


class Arguments(NamedTuple):
    """What a likelihood is evaluated at.

    Attributes:
        scales: The scales of means and thetas.
        x: Counts.
        parameters: The parameters, each on its scale.
        eps: The floor on the means.
        thetas: What depends on each theta alone.
        everywhere: Whether they may be any numbers.
        again: See `after`; None where nothing is to be separated.
    """

    scales: Scales
    x: Array
    parameters: tuple[Array, ...]
    eps: Array
    thetas: tuple[Theta, ...]
    everywhere: bool
    again: Callable[..., tuple["Arguments", tuple[Array, ...]]] | None = None

    def after(self, *arrays: Array) -> tuple["Arguments", tuple[Array, ...]]:
        """The same arguments, for what is computed after some arrays, and those arrays.

        On GPU and TPU, the arrays are computed in full and nothing else is shared with
        what follows. XLA for TPU works through fusions of more than about 1000 instructions one
        tile at a time, which takes several times as long, and XLA for GPU writes all that is shared
        by several outputs to memory.
        """
        return (self, arrays) if self.again is None else self.again(*arrays)

    @property
    def shape(self) -> tuple[int, ...]:
        """That of all of them together."""
        return jnp.broadcast_shapes(self.x.shape, *(p.shape for p in self.parameters))


class Likelihood(NamedTuple):
    """A log-probability of x, in closed forms up to the second derivatives.

    Attributes:
        name: Its name.
        thetas: The places among the parameters, and among the scales, of the inverse dispersions of
            negative binomials.
        floored: Those of the means that have a floor unless another one is asked for.
        ordinary: Of (scales, x, parameters, eps), where the cheaper state holds.
        first: The outputs, each `VALUE` or the place of an argument, x being that at 0.
        product: The rows of the Hessian, by the places of arguments, times a vector.
        fits: Whether separating the value from its derivatives gains nothing on TPU, if thetas are
            fewer than counts.
    """

    name: str
    thetas: tuple[int, ...]
    floored: tuple[int, ...]
    ordinary: Callable[[Scales, Array, tuple[Array, ...], Array], Array]
    first: Callable[[Arguments, tuple[int, ...]], list[Array]]
    product: Callable[[Arguments, tuple[int, ...], Directions], list[Array]]
    fits: bool = False


class Point(Protocol):
    """A log-probability at one set of arguments."""

    def value(self) -> Array:
        """The log-probability."""

    def first(self, place: int) -> Array:
        """The first derivative in an argument, by its place, x being that at 0."""

    def second(self, place: int, other: int) -> Array:
        """The second derivative in two of them."""


_First = Callable[[Arguments, tuple[int, ...]], list[Array]]
_Product = Callable[[Arguments, tuple[int, ...], Directions], list[Array]]


def by_point(point: Callable[[Arguments], Point]) -> tuple[_First, _Product]:
    """`first` and `product` of a likelihood that has each derivative by itself."""

    def first(at: Arguments, outputs: tuple[int, ...]) -> list[Array]:
        here = point(at)
        if len(outputs) == 1 or VALUE not in outputs:
            return [here.value() if place == VALUE else here.first(place) for place in outputs]
        then, (value,) = at.after(here.value())
        here = here if then is at else point(then)
        return [value if place == VALUE else here.first(place) for place in outputs]

    def product(at: Arguments, rows: tuple[int, ...], directions: Directions) -> list[Array]:
        here = point(at)
        return [
            jnp.asarray(dot({place: here.second(row, place) for place in directions}, directions))
            for row in rows
        ]

    return first, product


def dot(derivatives: dict[int, Array], directions: Directions) -> Array | float:
    """The sum of derivative x direction; 0 where there is none."""
    terms = [derivatives[place] * direction for place, direction in directions.items()]
    return sum(terms[1:], terms[0]) if terms else 0.0


def evaluated(
    likelihood: Likelihood,
    scales: Scales,
    outputs: tuple[int, ...],
    arguments: Sequence[Array],
    eps: Array,
    *,
    cpu: bool = False,
) -> tuple[Array, ...]:
    """The outputs, each of the shape of all arguments together.

    Args:
        likelihood: Which one.
        scales: The scales of means and thetas.
        outputs: `VALUE`, or the place of the argument differentiated in.
        arguments: x and the parameters.
        eps: The floor on the means.
        cpu: Whether it is known that the program is for CPU.
    """

    def of(at: Arguments, _: Directions) -> list[Array]:
        return likelihood.first(at, outputs)

    return _evaluated(likelihood, scales, of, arguments, eps, {}, blocks=True, cpu=cpu)


def product(
    likelihood: Likelihood,
    scales: Scales,
    rows: tuple[int, ...],
    arguments: Sequence[Array],
    eps: Array,
    directions: Directions,
    *,
    blocks: bool = True,
    cpu: bool = False,
) -> tuple[Array, ...]:
    """The rows of Hessian times vector, each of the shape of everything together.

    Args:
        likelihood: Which one.
        scales: The scales of means and thetas.
        rows: The places of the arguments whose rows are wanted.
        arguments: x and the parameters.
        eps: The floor on the means.
        directions: The vector.
        blocks: Whether unusual arguments go by blocks, a loop that costs time to differentiate.
        cpu: Whether it is known that the program is for CPU.
    """

    def of(at: Arguments, directions: Directions) -> list[Array]:
        return likelihood.product(at, rows, directions)

    return _evaluated(likelihood, scales, of, arguments, eps, directions, blocks=blocks, cpu=cpu)


def _evaluated(
    likelihood: Likelihood,
    scales: Scales,
    function: Callable[[Arguments, Directions], list[Array]],
    arguments: Sequence[Array],
    eps: Array,
    directions: Directions,
    *,
    blocks: bool,
    cpu: bool,
) -> tuple[Array, ...]:
    x, *parameters = arguments
    together = _together(arguments, directions)
    small = [parameters[place].shape != together for place in likelihood.thetas]
    # what depends on a theta alone, once for each where thetas are fewer than counts
    before = [
        theta_within(parameters[place], scales[place], materialized=True, everywhere=True)
        if is_small
        else None
        for place, is_small in zip(likelihood.thetas, small, strict=True)
    ]

    def at(
        arguments: Sequence[Array],
        eps: Array,
        before: list[Theta | None],
        *,
        everywhere: bool,
        in_stages: bool,
    ) -> Arguments:
        x, *parameters = arguments
        thetas = []
        for place, theta in zip(likelihood.thetas, before, strict=True):
            if theta is None:
                b, scale = parameters[place], scales[place]
                theta = theta_within(b, scale, materialized=False, everywhere=everywhere)
            thetas.append(theta if everywhere else theta._replace(move=None))

        def again(*arrays: Array) -> tuple[Arguments, tuple[Array, ...]]:
            *given, arrays = lax.optimization_barrier((arguments, eps, before, arrays))  # type: ignore[no-untyped-call]
            return at(*given, everywhere=everywhere, in_stages=True), arrays

        known = (scales, x, tuple(parameters), eps, tuple(thetas), everywhere)
        return Arguments(*known, again if in_stages else None)

    def state(
        arguments: Sequence[Array],
        eps: Array,
        before: list[Theta | None],
        directions: Directions,
        *,
        everywhere: bool,
        in_stages: bool = False,
    ) -> tuple[Array, ...]:
        here = at(arguments, eps, before, everywhere=everywhere, in_stages=in_stages)
        shape = _together(arguments, directions)
        return tuple(jnp.broadcast_to(part, shape) for part in function(here, directions))

    everywhere, ordinary = (partial(state, everywhere=on) for on in (True, False))

    def on_cpu(
        arguments: Sequence[Array],
        eps: Array,
        before: list[Theta | None],
        directions: Directions,
    ) -> tuple[Array, ...]:
        x, *parameters = arguments
        unusual = any_in_batch(~likelihood.ordinary(scales, x, tuple(parameters), eps))
        in_turn = partial(in_blocks, everywhere) if blocks else everywhere
        result: tuple[Array, ...] = lax.cond(
            unusual, in_turn, ordinary, arguments, eps, before, directions
        )
        return result

    if cpu:
        return on_cpu(arguments, eps, before, directions)
    in_stages = partial(everywhere, in_stages=True)
    on_tpu = everywhere if likelihood.fits and all(small) else in_stages
    result: tuple[Array, ...] = lax.platform_dependent(
        (x, *parameters), eps, before, directions, cpu=on_cpu, tpu=on_tpu, default=in_stages
    )
    return result


def _together(arguments: Sequence[Array], directions: Directions) -> tuple[int, ...]:
    return jnp.broadcast_shapes(*(a.shape for a in (*arguments, *directions.values())))
