"""The programs that run on the device: scan, climb, evaluate, for a block of genes at a time."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple, Self, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec
from numpy.typing import NDArray

from jaxnb._types import Array
from jaxnb.fit.likelihood import Evaluation, Point, evaluate
from jaxnb.fit.newton import NewtonResult, maximize
from jaxnb.fit.sums import Sums

__all__ = ["Bools", "Candidate", "Floats", "better", "climb", "poisson", "scan", "values"]

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.int64]

_GENES = Sums.axes()
_TOLERANCE = 1e-12
# Most genes converge within the first few steps.
_PAUSES = (7, 20, 60)
# A CPU keeps its caches busy with small blocks. An accelerator needs wide ones.
_ELEMENTS_ON_CPU = 1 << 16
_ELEMENTS_ON_ACCELERATOR = 1 << 22
_SMALLEST_WIDTH, _LARGEST_WIDTH = 32, 4096


class Candidate(NamedTuple):
    """One point of the parameter space for every gene of a block.

    Attributes:
        point: arrays of shape ``(genes,)``.
        gain: log-likelihood less that of the Poisson fit.
        scale: sum of the absolute values of the gain's terms.
        hessian: ``(genes, 3, 3)``, in the order of `Point`.
        n_iter: Newton steps.
        converged: the point is a local maximum over its finite coordinates.
    """

    point: Point
    gain: Floats
    scale: Floats
    hessian: Floats
    n_iter: NDArray[np.int32]
    converged: Bools

    def where(self, condition: Bools, other: Self) -> Self:
        """This candidate in the genes that meet the condition, the other elsewhere."""

        def pick(mine: NDArray[Any], theirs: NDArray[Any]) -> NDArray[Any]:
            return np.where(condition.reshape(-1, *[1] * (mine.ndim - 1)), mine, theirs)

        chosen: Self = jax.tree.map(pick, self, other)
        return chosen

    @property
    def noise(self) -> Floats:
        """What rounding may have added to the gain or taken from it."""
        rounding: Floats = 8 * np.finfo(np.float64).eps * self.scale
        return rounding


def poisson(sums: Sums) -> Candidate:
    """The Poisson distribution, whose maximum is known."""
    total: Floats = np.asarray(sums.total)
    hessian = np.zeros((total.size, 3, 3))
    hessian[:, 0, 0] = -total
    return Candidate(
        Point(
            np.asarray(sums.poisson_log_mean),
            np.full(total.size, np.inf),
            np.full(total.size, -np.inf),
        ),
        np.zeros(total.size),
        np.zeros(total.size),
        hessian,
        np.zeros(total.size, np.int32),
        np.ones(total.size, bool),
    )


def better(simple: Candidate, simple_rises: Bools, rich: Candidate) -> Bools:
    """Where the richer of two families has the maximum.

    Where the simpler one is not a local maximum of the richer, because the likelihood rises from it
    (`simple_rises`), any maximum of the richer that is not clearly lower will do; elsewhere it
    must be higher by more than rounding, because the two are then different local maxima.
    """
    noise = simple.noise + rich.noise
    gain = rich.gain - simple.gain
    return rich.converged & (gain > np.where(simple_rises, -noise, noise))


def climb(start: Point, active: Bools, sums: Sums, *, inflated: bool, max_iter: int) -> Candidate:
    """The local maximum reached from a start; inactive genes stay there, not converged.

    Genes go through the program in blocks, which take as long as their slowest gene: after a few
    steps, those that have not converged are gathered into new blocks.
    """
    genes = active.size
    end = NewtonResult(
        point=np.stack(start, axis=1),
        # An inactive gene is not evaluated and counts for nothing.
        value=np.full(genes, -np.inf),
        scale=np.zeros(genes),
        hessian=np.zeros((genes, 3, 3)),
        n_iter=np.zeros(genes, np.int32),
        converged=np.zeros(genes, bool),
    )
    todo, done = np.flatnonzero(active), 0
    for last in (*(n for n in _PAUSES if n < max_iter), max_iter):
        if not todo.size:
            break
        arrays = (Point(*end.point[todo].T), np.full(todo.size, last - done))
        found = _in_blocks(_climb, arrays, sums, todo, inflated=inflated)
        for mine, new in zip(end, found, strict=True):
            if mine is end.n_iter:
                mine[todo] += new
            else:
                mine[todo] = new
        todo, done = todo[~found.converged], last
    return Candidate(
        Point(*end.point.T), end.value, end.scale, end.hessian, end.n_iter, end.converged
    )


def scan(log_thetas: Floats, sums: Sums) -> tuple[Floats, Floats]:
    """NB log-likelihoods above the Poisson's on a grid of log θ, and the log means there.

    Args:
        log_thetas: in descending order.
        sums: of the genes.

    Returns:
        Both of shape ``(genes, thetas)``. The means are within a Newton step of the best ones.
    """
    grids = np.broadcast_to(log_thetas, (sums.total.size, log_thetas.size))
    found: tuple[Floats, Floats] = _in_blocks(_scan, (grids,), sums, inflated=False)
    return found


def values(points: Point, sums: Sums, *, inflated: bool) -> Floats:
    """Log-likelihoods above the Poisson's at points of shape ``(genes, points)``; −inf for NaN."""
    found = _in_blocks(_values, (points,), sums, inflated=inflated)
    return np.where(np.isnan(found), -np.inf, found)


def _in_blocks(
    program: Callable[..., Any],
    arrays: tuple[Any, ...],
    sums: Sums,
    genes: Ints | None = None,
    *,
    inflated: bool,
) -> Any:
    """Run a program on blocks of one shape; the last one is filled up with its first gene.

    Args:
        program: of the arrays and the sums of a block.
        arrays: one entry for each of the chosen genes.
        sums: of all genes.
        genes: which of them; None for all.
        inflated: passed on.
    """
    chosen = np.arange(sums.total.size) if genes is None else genes
    devices = jax.local_device_count()
    compiled = _compiled(program, len(arrays), inflated, devices)
    width = _width(sums) * devices
    parts = []
    for start in range(0, chosen.size, width):
        block = np.arange(start, min(start + width, chosen.size))
        padded = np.concatenate([block, np.full(width - block.size, start)]).astype(np.int64)
        some = jax.tree.map(lambda entry, padded=padded: entry[padded], arrays)
        found = compiled(*some, sums.of_genes(chosen[padded]))
        parts.append(jax.tree.map(lambda entry, n=block.size: np.asarray(entry)[:n], found))
    return jax.tree.map(lambda *entries: np.concatenate(entries), *parts)


@cache
def _compiled(
    program: Callable[..., Any], arrays: int, inflated: bool, devices: int
) -> Callable[..., Any]:
    """On several devices each takes its share of the genes, which need not communicate."""
    bound = partial(program, inflated=inflated)
    if devices > 1:
        automatic = (jax.sharding.AxisType.Auto,)
        mesh = jax.make_mesh((devices,), ("genes",), automatic, devices=jax.local_devices())
        split, whole = PartitionSpec("genes"), PartitionSpec()  # type: ignore[no-untyped-call]
        of_sums = Sums(*(whole if axis is None else split for axis in _GENES))
        specs = (*[split] * arrays, of_sums)
        bound = jax.shard_map(bound, mesh=mesh, in_specs=specs, out_specs=split, check_vma=False)
    return jax.jit(bound)


def _width(sums: Sums) -> int:
    """Genes in a block: one of few numbers, so that few programs are compiled."""
    nodes = sums.log_factors.size + sums.tail.size + sums.zero_log_factors.size
    if sums.total.size <= _SMALLEST_WIDTH:
        return _SMALLEST_WIDTH
    on_cpu = jax.default_backend() == "cpu"
    elements = _ELEMENTS_ON_CPU if on_cpu else _ELEMENTS_ON_ACCELERATOR
    affordable: int = 1 << (elements // max(nodes + sums.fractional.shape[1], 1)).bit_length() >> 1
    return min(max(affordable, _SMALLEST_WIDTH), _LARGEST_WIDTH)


def _climb(start: Point, max_iter: Array, sums: Sums, *, inflated: bool) -> NewtonResult:
    def one(start: Point, max_iter: Array, gene: Sums) -> NewtonResult:
        def function(coordinates: Array) -> Evaluation:
            return evaluate(Point(*coordinates), gene, inflated=inflated)

        return maximize(function, jnp.stack(start), tolerance=_TOLERANCE, max_iter=max_iter)

    return jax.vmap(one, in_axes=(0, 0, _GENES))(start, max_iter, sums)


def _scan(log_thetas: Array, sums: Sums, *, inflated: bool) -> tuple[Array, Array]:
    def one(log_thetas: Array, gene: Sums) -> tuple[Array, Array]:
        def advance(log_mean: Array, log_theta: Array) -> tuple[Array, tuple[Array, Array]]:
            def at(mean: Array) -> Evaluation:
                return evaluate(Point(mean, log_theta, -jnp.inf), gene, inflated=inflated)

            here = at(log_mean)
            step = -here.gradient[0] / jnp.minimum(here.hessian[0, 0], -1e-300)
            trial = log_mean + jnp.clip(step, -2, 2)
            there = at(trial)
            kept = there.value >= here.value
            mean = jnp.where(kept, trial, log_mean)
            return mean, (jnp.where(kept, there.value, here.value), mean)

        return jax.lax.scan(advance, gene.poisson_log_mean, log_thetas)[1]

    return jax.vmap(one, in_axes=(0, _GENES))(log_thetas, sums)


def _values(points: Point, sums: Sums, *, inflated: bool) -> Array:
    def one(point: Point, gene: Sums) -> Array:
        return evaluate(point, gene, inflated=inflated).value

    # One point of every gene at a time: these arrays stay in the cache.
    per_point = jax.vmap(one, in_axes=(0, _GENES))
    turned = Point(*(entry.T for entry in points))
    found: Array = jax.lax.map(lambda point: per_point(point, sums), turned).T
    return found
