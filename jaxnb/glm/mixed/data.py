"""Counts by donor: the pseudo-cells of every donor's design rows in arrays of one shape."""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb.data.exceedances import Exceedances
from jaxnb.glm.pseudo_cells import PseudoCells
from jaxnb.glm.separation import Separation, find_separation

__all__ = ["DonorData"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


@dataclass
class DonorData:
    """The pseudo-cells of some genes, padded to as many rows a donor and nodes a row.

    Made from pseudo-cells of which the first column of the rows is the number of the donor and the
    others are the design, so that a row is a donor under one condition.

    Attributes:
        cells: from `jaxnb.glm.pseudo_cells`.
        design: ``(donors, rows, p)``, 0 where a donor has fewer rows.
        log_size_factors: ``(donors, rows, nodes)``.
        cell_weights: weights of the cells, 0 where there are none, ``(donors, rows, nodes)``.
        counts: weights of the counts, ``(genes, donors, rows, nodes)``.
        separation: what is estimated for each gene; its rows are those of the pseudo-cells.
        kept: 1 for the rows whose mean is positive, ``(genes, donors, rows)``.
        center: a mean count of each gene, at least 1, ``(genes,)``.
    """

    cells: PseudoCells
    design: Floats = field(init=False)
    log_size_factors: Floats = field(init=False)
    cell_weights: Floats = field(init=False)
    counts: Floats = field(init=False)
    separation: Separation = field(init=False)
    kept: Floats = field(init=False)
    center: Floats = field(init=False)

    def __post_init__(self) -> None:
        data = self.cells
        rows = data.rows[:, 1:]
        _, donor = np.unique(data.rows[:, 0], return_inverse=True)
        donors = int(donor.max()) + 1
        slot = _place_in_group(donor)
        node = _place_in_group(data.row_of)
        width, depth = int(slot.max()) + 1, int(node.max()) + 1
        shape = (donors, width, depth)
        where = donor[data.row_of], slot[data.row_of], node
        self.design = np.zeros((donors, width, rows.shape[1]))
        self.design[donor, slot] = rows
        self.log_size_factors, self.cell_weights = np.zeros(shape), np.zeros(shape)
        self.log_size_factors[where] = data.log_size_factors
        self.cell_weights[where] = data.cells
        self.counts = np.zeros((data.genes, *shape))
        self.counts[:, *where] = data.counts
        self.separation = find_separation(rows, data.totals > 0)
        self.kept = np.zeros((data.genes, donors, width))
        self.kept[:, donor, slot] = self.separation.kept
        exceedances = data.exceedances
        squares = exceedances.weights @ (2 * exceedances.thresholds + 1)
        self.center = np.maximum(squares / np.maximum(data.totals.sum(axis=1), 1), 1)

    @property
    def genes(self) -> int:
        """How many genes these are."""
        return self.cells.genes

    @property
    def donors(self) -> int:
        """How many donors there are."""
        return len(self.design)

    @property
    def exceedances(self) -> Exceedances:
        """Of the counts of every gene."""
        return self.cells.exceedances


def _place_in_group(group: Ints) -> Ints:
    """The number of each entry among those of the same group."""
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group)
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    place = np.empty(group.size, np.int64)
    place[order] = np.arange(group.size) - starts
    return place
