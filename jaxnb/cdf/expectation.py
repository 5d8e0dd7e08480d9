"""Sums over all counts, taken where the mass of a negative binomial lies.

The counts below `Rule.first` are summed one by one. What is above is summed in one of two ways.

`wide`    The sum is the integral from first - 1/2 on and end terms, which for a cut between two
          counts are central differences (the midpoint rule's Euler-Maclaurin formula),

              sum of f(x) = integral of f + d1 / 24 - 17 d3 / 5760 + 367 d5 / 967680 - ...,

          with an error of about 6e-5 f (1 / s)**7, s = sqrt(first) being the smallest scale of a
          negative binomial there. The integral is taken by Gauss-Legendre nodes in log(x), in which
          the probabilities of all negative binomials are smooth, in two panels; the upper one, with
          the exponential tail, is the shorter one where the mass is spread over much.
`narrow`  Every count has a standard deviation s of `_NARROW` or more, and no mass is below `first`.
          Then every h-th count, each counted h times, has the same sum but for the Fourier
          transform of f at frequency 1 / h, about exp(-2 (pi s / h)**2): 1e-34 for h = s / 2. The
          nodes are rounded to multiples of a power of 2, which the dtype holds exactly: a rounded
          node would be felt in (x - mu) / s.

The interval covers all but exp(-K) of the mass at either end: from mu - sqrt(2 K) s, the bound of
Chernoff below the mean, or where x**theta (theta / mu)**theta / Gamma(1 + theta), which bounds the
distribution function of the mixing gamma variable, is exp(-K), to mu + sqrt(2 K) s + K (1 + mu /
theta), that of Bernstein above it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import log, pi, sqrt
from typing import Any, Final, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import ad

from jaxnb._elementwise import elementwise
from jaxnb._types import Array
from jaxnb.special.elementary import power_of_two

__all__ = ["NARROW", "Nodes", "Term", "Weight", "first_of_nodes", "nodes", "summed"]

NARROW: Final = 1000.0
"""The smallest mean and theta with which a distribution is narrow."""


class _Sizes(NamedTuple):
    first: int
    nodes: int
    tail: float  # K


_SIZES: Final = {"float32": _Sizes(24, 32, 22.0), "float64": _Sizes(64, 64, 36.0)}
# Added to the weights of the six counts next to the cut.
_END_TERMS: Final = (
    np.array([0, 0, -1, 1, 0, 0]) / 24
    - np.array([0, -1, 3, -3, 1, 0]) * 17 / 5760
    + np.array([-1, 5, -10, 10, -5, 1]) * 367 / 967680
)


class Nodes(NamedTuple):
    """Where the mass of a distribution lies: an interval, and how it is divided.

    Attributes:
        cut: 1 where the interval begins at first - 1/2, else 0.
        narrow: 1 where its nodes have equal distances, else 0.
        start: The lower end; of a narrow one, the first node.
        middle: Where the panels meet.
        length: The logarithm of middle / start; of a narrow one, the distance.
        upper_length: The logarithm of the upper end / middle.
    """

    cut: Array
    narrow: Array
    start: Array
    middle: Array
    length: Array
    upper_length: Array


def nodes(mu: Array, theta: Array) -> Nodes:
    """Those of a negative binomial with positive mean and theta; they have no derivative."""
    mu, theta = lax.stop_gradient((mu, theta))
    sizes = _SIZES[mu.dtype.name]
    bounded = jnp.minimum(theta, 1e15)
    scale = 1 + mu / bounded
    spread = jnp.sqrt(mu) * jnp.sqrt(scale)
    upper = mu + sqrt(2 * sizes.tail) * spread + sizes.tail * scale
    shape = jnp.clip(bounded, 1.0, 1e6)
    stirling = shape * (jnp.log(shape) - 1) + (jnp.log(shape) + log(2 * pi)) / 2
    log_gamma = jnp.where(
        bounded < 1, -0.1215, stirling
    )  # at least that below log Gamma(1 + theta)
    power = mu / bounded * jnp.exp((log_gamma - sizes.tail) / bounded)
    gaussian = mu - sqrt(2 * sizes.tail) * spread
    lower = jnp.maximum(gaussian, jnp.where(bounded < 1e6, power, 0.0))
    narrow = jnp.minimum(mu, theta) >= NARROW

    first = sizes.first - 0.5
    cut = lower <= first
    lower = jnp.maximum(lower, first)
    upper = jnp.maximum(upper, 1.5 * lower)
    # the upper panel ends steeply, at the exponential tail
    length = jnp.log(upper / lower)
    middle = upper * jnp.exp(-jnp.minimum(length / 2, 3.5 + length / 12))

    grain = power_of_two(jnp.floor(jnp.log2(spread)) - 6)
    # of float32 in 16 standard deviations, of float64 in 19
    step = jnp.round(spread * (16 if sizes.nodes == 32 else 19) / sizes.nodes / grain) * grain
    begin = jnp.round(mu / grain) * grain - step * (sizes.nodes // 2 - 1)
    return Nodes(
        cut=(cut & ~narrow).astype(mu.dtype),
        narrow=narrow.astype(mu.dtype),
        start=jnp.where(narrow, begin, lower),
        middle=middle,
        length=jnp.where(narrow, step, jnp.log(middle / lower)),
        upper_length=jnp.log(upper / middle),
    )


class Weight(NamedTuple):
    """The weight of a count or node, which may be large where a probability is small.

    Attributes:
        sign: -1 or 1.
        log: The logarithm of its size.
    """

    sign: Array
    log: Array


Term = Callable[..., Array]
"""Of (x, weight, *parameters), what a count or node x adds to the sum, element by element."""

Over = Literal["all", "few", "rest"]
"""Which counts: those that are summed one by one, those that nodes stand for, or both."""


def summed(term: Term, n: Nodes, *parameters: Array, over: Over = "all", fewest: int = 0) -> Array:
    """The sum of a term over counts, with derivatives in the parameters.

    Args:
        term: What is summed.
        n: Where the mass lies.
        parameters: Those of the term: finite numbers, of the shape of those that `n` is of.
        over: Which counts.
        fewest: The first count.
    """
    total: Array = _sums(_Loop(term, over, fewest), 0, (), n, parameters)[0]
    return total


def first_of_nodes(dtype: jnp.dtype) -> int:
    """The count from which on nodes serve."""
    return _SIZES[dtype.name].first


class _Step(NamedTuple):
    """One number each for each step of the loop.

    Attributes:
        node: Whether it is a node.
        k: The count, or the number of the node.
        alone: The weight of a count where there is no cut.
        at_cut: Where there is one.
        place: The place of a node in its panel.
        share: Its Gauss-Legendre weight.
    """

    node: Array
    k: Array
    alone: Array
    at_cut: Array
    place: Array
    share: Array


class _Loop(NamedTuple):
    term: Term
    over: Over
    fewest: int

    def steps(self, dtype: jnp.dtype) -> _Step:
        """All of them."""
        sizes = _SIZES[dtype.name]
        x = np.arange(sizes.first + 3.0)
        alone = ((x < sizes.first) & (self.over != "rest")).astype(float)
        ends = np.zeros_like(x)
        ends[-6:] = _END_TERMS
        first = sizes.first - 3 if self.over == "rest" else self.fewest
        of_counts = np.array([0 * x, x, alone, alone + ends, 0 * x, 0 * x])[:, first:]
        if self.over == "few":
            return _Step(*jnp.asarray(of_counts[:, :-3], dtype))._replace(
                at_cut=jnp.asarray(alone[first:-3], dtype)
            )
        k = np.arange(float(sizes.nodes))
        unit, weight = np.polynomial.legendre.leggauss(sizes.nodes // 2)
        place, share = np.tile((unit + 1) / 2, 2), np.tile(weight / 2, 2)
        of_nodes = np.array([1 + 0 * k, k, 0 * k, 0 * k, place, share])
        return _Step(*jnp.asarray(np.concatenate([of_counts, of_nodes], 1), dtype))

    def at(self, n: Nodes, step: _Step) -> tuple[Array, Weight]:
        """The count or node of a step, and its weight."""
        rank = n.start.ndim
        s = _Step(*(lax.expand_dims(value, range(rank)) for value in step))
        second = s.k >= _SIZES[s.k.dtype.name].nodes // 2
        length = jnp.where(second, n.upper_length, n.length)
        wide = jnp.where(second, n.middle, n.start) * jnp.exp(length * s.place)
        x = jnp.where(n.narrow > 0, n.start + s.k * n.length, wide)
        weight = jnp.where(n.narrow > 0, n.length, length * wide * s.share)
        of_count = jnp.where(n.cut > 0, s.at_cut, s.alone)
        weight = jnp.where(s.node > 0, weight, of_count)
        return jnp.where(s.node > 0, x, s.k), Weight(
            jnp.where(weight < 0, -1.0, 1.0).astype(x.dtype), jnp.log(jnp.abs(weight))
        )


def _sums(
    loop: _Loop, order: int, places: tuple[int, ...], n: Nodes, parameters: tuple[Array, ...]
) -> list[Array]:
    """The sum, its derivatives in the parameters at `places`, and second ones, up to an order."""
    found: list[Array] = _sums_p.bind(  # type: ignore[no-untyped-call]
        *n, *parameters, loop=loop, order=order, places=places, indices=_indices(order, places)
    )
    return found


def _sums_function(
    *operands: Array, loop: _Loop, order: int, places: tuple[int, ...], indices: object
) -> tuple[Array, ...]:
    number = len(Nodes._fields)
    together = jnp.broadcast_shapes(*(a.shape for a in operands))
    whole = [jnp.broadcast_to(a, together) for a in operands]
    return tuple(_added(loop, order, places, Nodes(*whole[:number]), tuple(whole[number:])))


_sums_p = elementwise("jaxnb_sum_over_counts", _sums_function, "indices")


def _sums_jvp(
    primals: Sequence[Array],
    tangents: Sequence[Any],
    *,
    loop: _Loop,
    order: int,
    places: tuple[int, ...],
    indices: tuple[tuple[int, ...], ...],
) -> tuple[list[Array], list[Array]]:
    """Derivatives of a sum are sums of derivatives again.

    Differentiated as it stands, the loop would keep what every step has computed.
    """
    number = len(Nodes._fields)
    along = {k: t for k, t in enumerate(tangents[number:]) if type(t) is not ad.Zero}
    n, parameters = Nodes(*primals[:number]), tuple(primals[number:])
    if order == 2:  # the third order has no closed form

        def at(*moved: Array) -> list[Array]:
            there = dict(zip(along, moved, strict=True))
            return _added(
                loop, order, places, n, tuple(there.get(k, p) for k, p in enumerate(parameters))
            )

        values, changes = jax.jvp(at, tuple(parameters[k] for k in along), tuple(along.values()))
        return values, changes
    wanted = tuple(sorted({*places, *along}))
    every = _sums(loop, order + 1, wanted, n, parameters)
    by_index = dict(zip(_indices(order + 1, wanted), every, strict=True))
    values = [by_index[index] for index in indices]
    changes = []
    for index in indices:
        parts = [by_index[tuple(sorted((*index, k)))] * t for k, t in along.items()]
        changes.append(sum(parts[1:], parts[0]))
    return values, changes


ad.primitive_jvps[_sums_p] = _sums_jvp


def _indices(order: int, places: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Of the derivatives up to an order."""
    found: list[tuple[int, ...]] = [()]
    if order > 0:
        found += [(p,) for p in places]
    if order > 1:
        found += [(p, q) for p in places for q in places if p <= q]
    return tuple(found)


def _added(
    loop: _Loop, order: int, places: tuple[int, ...], n: Nodes, parameters: tuple[Array, ...]
) -> list[Array]:
    dtype = parameters[0].dtype

    def add(totals: list[Array], step: _Step) -> tuple[list[Array], None]:
        x, weight = loop.at(n, step)
        parts = _derivatives(partial(loop.term, x, weight), order, places, parameters)
        return [total + part for total, part in zip(totals, parts, strict=True)], None

    zeros = [jnp.zeros(n.start.shape, dtype)] * len(_indices(order, places))
    return lax.scan(add, zeros, loop.steps(dtype))[0]


def _derivatives(
    term: Callable[..., Array], order: int, places: tuple[int, ...], parameters: tuple[Array, ...]
) -> list[Array]:
    def of(*chosen: Array) -> Array:
        at = dict(zip(places, chosen, strict=True))
        return term(*(at.get(place, p) for place, p in enumerate(parameters)))

    chosen = tuple(parameters[place] for place in places)
    if order == 0:
        return [of(*chosen)]

    def with_gradient(*chosen: Array) -> list[Array]:
        value, pull = jax.vjp(of, *chosen)
        return [value, *pull(jnp.ones_like(value))]

    if order == 1:
        return with_gradient(*chosen)
    second = []
    for k, own in enumerate(chosen):

        def along(value: Array, k: int = k) -> list[Array]:
            return with_gradient(*chosen[:k], value, *chosen[k + 1 :])[1 + k :]

        second += jax.jvp(along, (own,), (jnp.ones_like(own),))[1]
    return [*with_gradient(*chosen), *second]
