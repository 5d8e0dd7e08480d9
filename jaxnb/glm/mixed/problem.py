"""Genes of one design with donors, evaluated in blocks of one fixed shape."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnb.glm.mixed.data import DonorData
from jaxnb.glm.mixed.likelihood import Evaluation, effects, evaluate
from jaxnb.glm.mixed.nodes import Block
from jaxnb.glm.mixed.quadrature import Rule, rule_numbers, rule_of

__all__ = ["MixedProblem", "Point"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

# Entries of an array over genes, donors, rows and nodes of the effect: it stays in the cache of a
# CPU, and the last block of every iteration is not too empty.
_BLOCK_ENTRIES = 1 << 13
_NARROWEST, _WIDEST = 8, 256
# With fewer genes, more nodes than are needed cost less than compiling another program.
_MANY_GENES = 5000


@dataclass
class Point:
    """Parameters of some genes.

    Attributes:
        alpha: dispersions, ``(genes,)``.
        beta: coefficients, ``(genes, p)``.
        sigma: standard deviations of the donors' effects, ``(genes,)``.
    """

    alpha: Floats
    beta: Floats
    sigma: Floats

    def take(self, which: NDArray[Any]) -> "Point":
        """Those of some genes."""
        return Point(self.alpha[which], self.beta[which], self.sigma[which])

    def put(self, which: NDArray[Any], other: "Point") -> None:
        """Replace those of some genes."""
        self.alpha[which], self.beta[which] = other.alpha, other.beta
        self.sigma[which] = other.sigma

    def copy(self) -> "Point":
        """With arrays of its own."""
        return Point(self.alpha.copy(), self.beta.copy(), self.sigma.copy())


@dataclass
class MixedProblem:
    """The marginal likelihoods of some genes.

    Attributes:
        data: counts by donor.
        determinant: whether evaluations have the derivatives that restricted likelihood needs. One
            choice for all of a fit: each is compiled.
        doubled: whether to use twice the nodes, to check them.
        fewer_rules: whether to use every second rule alone, of which each is compiled.
        modes: of the donors' effects where they were last searched, ``(genes, donors)``.
        evaluations: how many genes have been evaluated so far, for measurements.
    """

    data: DonorData
    determinant: bool = False
    doubled: bool = False
    fewer_rules: bool = field(init=False)
    modes: Floats = field(init=False)
    evaluations: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        data = self.data
        self.fewer_rules = data.genes < _MANY_GENES
        self.modes = np.zeros((data.genes, data.donors))
        with jax.enable_x64(True):
            self._shared = tuple(
                jnp.asarray(entry, jnp.float64)
                for entry in (
                    data.exceedances.thresholds,
                    data.log_size_factors,
                    data.cell_weights,
                    data.design,
                )
            )

    def evaluate(self, genes: Ints, at: Point) -> Evaluation:
        """`jaxnb.glm.mixed.likelihood.evaluate` for any genes, as numpy arrays."""
        self.evaluations += genes.size
        size = self.data.design.shape[2] + 2
        found = Evaluation(
            np.empty(genes.size),
            np.empty(genes.size),
            np.empty((genes.size, size)),
            np.empty((genes.size, size, size)),
            np.empty((genes.size, self.data.donors)),
            np.empty((genes.size, size if self.determinant else 0)),
        )
        function = partial(evaluate, determinant=self.determinant)
        for rule, where in self._by_rule(at.sigma):
            for mine, block in self.blocks(genes[where], nodes=rule.positions.size):
                own = where[mine]
                here = at.take(own)
                result = self._call(function, rule, here, self.modes[genes[own]], block)
                for entry, new in zip(found, result, strict=True):
                    entry[own] = new
        self.modes[genes] = found.modes
        return found

    def effects(self, at: Point) -> tuple[Floats, Floats]:
        """Posterior means and standard deviations of the donors' effects, ``(genes, donors)``."""
        mean, variance = np.zeros_like(self.modes), np.zeros_like(self.modes)
        for rule, where in self._by_rule(at.sigma):
            for mine, block in self.blocks(where, nodes=rule.positions.size):
                own = where[mine]
                mean[own], variance[own] = self._call(effects, rule, at.take(own), block)
        sigma = at.sigma[:, None]
        return sigma * mean, sigma * np.sqrt(variance)

    def _by_rule(self, sigma: Floats) -> Iterator[tuple[Rule, Ints]]:
        numbers = rule_numbers(sigma)
        if self.fewer_rules:
            numbers |= 1
        for number in np.unique(numbers).tolist():
            yield rule_of(number, doubled=self.doubled), np.flatnonzero(numbers == number)

    def _call(self, function: Callable[..., Any], rule: Rule, at: Point, *rest: Any) -> Any:
        with jax.enable_x64(True):
            found = function(
                at.alpha,
                at.beta,
                at.sigma,
                *rest,
                rule.positions,
                rule.log_weights,
                between_ends=rule.between_ends,
            )
            # Cheaper than `jax.device_get`, which matters for blocks this small.
            return tuple(np.asarray(entry) for entry in found)

    def blocks(self, genes: Ints, *, nodes: int) -> Iterator[tuple[Ints, Block]]:
        """Positions in `genes`, the last one repeated to fill a block, and the block's data."""
        data = self.data
        affordable = max(_BLOCK_ENTRIES // (data.kept[0].size * nodes), 1)
        # Powers of 2: few shapes, each of which is compiled.
        needed = 1 << max(data.genes - 1, 0).bit_length()
        width = max(_NARROWEST, min(1 << affordable.bit_length() - 1, needed, _WIDEST))
        thresholds, *by_donor = self._shared
        for start in range(0, genes.size, width):
            where = np.minimum(np.arange(start, start + width), genes.size - 1)
            mine = genes[where]
            yield (
                where,
                Block(
                    data.separation.free[mine].astype(np.float64),
                    data.kept[mine],
                    data.counts[mine],
                    data.center[mine],
                    data.exceedances.weights[mine],
                    thresholds,
                    *by_donor,
                ),
            )
