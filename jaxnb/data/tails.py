"""How many counts of a gene exceed k, from which sums of log Γ(x + θ) are made without Γ.

With T_k the number of counts above k, the sum over the counts of log Γ(x + θ)/(Γ(θ)·θˣ) is
Σ_k T_k·log(1 + k/θ), and log(1 + k/θ) = log(1 + exp(log k − log θ)) is as smooth in log k as the
sums over cells are in log s. T_k is kept as it is for small k; above, there are weights at
Chebyshev nodes in log k (`jaxnb.data.chebyshev`).
"""

from functools import cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import gammaln

from jaxnb.data.chebyshev import NODES, Panels

__all__ = [
    "FIRST_TAIL",
    "TAIL",
    "CountedValues",
    "count_values",
    "tail_sums",
    "tails",
    "whole_panel",
]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

FIRST_TAIL = 64
# Panels in log k.
TAIL = Panels(1.0, NODES, float(np.log(FIRST_TAIL)))
# Below this panel sums over k are added up, above it the formula of Euler and Maclaurin is exact
# to rounding: the polynomials change by less than 1% from one k to the next.
_FIRST_SMOOTH_PANEL = 7
_QUADRATURE = np.polynomial.legendre.leggauss(24)


class CountedValues(NamedTuple):
    """Sums over the counts of every gene, zeros among them or not.

    Attributes:
        binned: the number of counts equal to k for k < 65, and above 64 in the last column,
            ``(genes, 66)``; with weights their sums.
        squares: Σx², ``(genes,)``.
        log_factorials: Σ log x!, ``(genes,)``.
        tail_weights: weights at the nodes of `TAIL`, ``(genes, nodes)``.
    """

    binned: NDArray[Any]
    squares: Floats
    log_factorials: Floats
    tail_weights: Floats


def count_values(gene: Ints, x: Any, genes: int, times: Floats | None = None) -> CountedValues:
    """Count the values of every gene.

    Args:
        gene: of every count.
        x: the counts, whole numbers of any type.
        genes: how many there are.
        times: how often each count is there; None for once, with which `binned` are integers.
    """
    width = FIRST_TAIL + 2
    keys = gene.astype(np.int64) * width + np.minimum(x, width - 1).astype(np.int64)
    binned = np.bincount(keys, times, minlength=genes * width).reshape(genes, width)
    k = np.arange(width - 1.0)
    squares = binned[:, :-1] @ k**2
    # There are far fewer bins than counts.
    log_factorials = binned[:, :-1] @ gammaln(k + 1)
    large = np.flatnonzero(x > FIRST_TAIL)
    tail_weights = np.zeros((genes, 0))
    if large.size:
        gene, x = gene[large], x[large].astype(np.int64)
        times = np.ones(large.size) if times is None else times[large]
        squares += np.bincount(gene, times * x.astype(np.float64) ** 2, genes)
        log_factorials += np.bincount(gene, times * gammaln(x + 1.0), genes)
        tail_weights = _tail_weights(gene, x, genes, times)
    return CountedValues(binned, squares, log_factorials, tail_weights)


def tails(binned: NDArray[Any], tail_weights: Floats) -> tuple[Floats, Floats]:
    """Values k and weights T of Σ_k T_k·log(1 + k/θ), shapes ``(tails,)``, ``(genes, tails)``.

    k = 1, …, 63 as they are, then Chebyshev nodes in log k up to the largest count.
    """
    above = np.cumsum(binned[:, :0:-1], axis=1)[:, ::-1]
    # Column k − 1 of `above` is the number of counts ≥ k.
    explicit = above[:, 1:FIRST_TAIL].astype(np.float64)
    nodes = TAIL.at(0, tail_weights.shape[1] // NODES)
    k = np.concatenate([np.arange(1.0, FIRST_TAIL), np.exp(nodes)])
    return k, np.concatenate([explicit, tail_weights], axis=1)


def _first_of_panel(panel: Any) -> Any:
    return np.ceil(FIRST_TAIL * np.exp(np.asarray(panel, np.float64))).astype(np.int64)


def tail_sums(counts: Ints) -> tuple[Ints, Floats]:
    """Sums of the Lagrange polynomials in log k over the last panel of every count.

    Args:
        counts: above `FIRST_TAIL`.

    Returns:
        The panel p of log(count − 1), and the sums over k from the first integer of that panel to
        count − 1, shape ``(counts, nodes)``. The sums over a whole panel p are those of the count
        first integer of panel p + 1, see `whole_panel`.
    """
    edges = _first_of_panel(np.arange(1, 40))
    panel: Ints = np.searchsorted(edges, counts - 1, side="right").astype(np.int64)
    sums = np.empty((counts.size, NODES))
    for p in np.unique(panel).tolist():
        here = panel == p
        sums[here] = _partial_sums(counts[here], p)
    return panel, sums


@cache
def whole_panel(panel: int) -> Floats:
    """Sums of the Lagrange polynomials over all integers of a panel, shape ``(nodes,)``."""
    end = np.array([_first_of_panel(panel + 1)])
    sums: Floats = _partial_sums(end, panel)[0]
    return sums


def _tail_weights(gene: Ints, counts: Ints, genes: int, times: Floats) -> Floats:
    """Weights of every gene at the nodes in log k, as many panels as the largest count needs."""
    distinct, where = np.unique(counts, return_inverse=True)
    last, sums = tail_sums(distinct)
    panel, panels = last[where], int(last.max()) + 1
    weights = np.zeros((genes, panels, NODES))
    for p in range(panels):
        here = np.flatnonzero(panel == p)
        places = (gene[here], np.arange(here.size))
        owner = sparse.csr_array((times[here], places), shape=(genes, here.size))
        above = panel > p
        beyond = np.bincount(gene[above], times[above], genes)
        weights[:, p] = owner @ sums[where[here]] + beyond[:, None] * whole_panel(p)
    return weights.reshape(genes, -1)


def _partial_sums(counts: Ints, panel: int) -> Floats:
    first = int(_first_of_panel(panel))
    if panel < _FIRST_SMOOTH_PANEL:
        found: Floats = _running_sums(panel)[counts - first]
        return found
    # Σ_{k=a}^{x−1} f(k) = ∫ f − (f(x) − f(a))/2 + (f′(x) − f′(a))/12 − …
    low, high = np.log(float(first)), np.log(counts.astype(np.float64))
    points, weights = _QUADRATURE
    middle, half = (high + low) / 2, (high - low) / 2
    t = middle[:, None] + half[:, None] * points
    basis = TAIL.basis(t.ravel(), panel).reshape(*t.shape, NODES)
    integral = np.einsum("i,iq,iqn->in", half, weights * np.exp(t), basis)
    ends = np.append(high, low)
    values = TAIL.basis(ends, panel)
    derivatives = TAIL.derivative(ends, panel) / np.append(counts, first)[:, None]
    sums: Floats = (
        integral - (values[:-1] - values[-1]) / 2 + (derivatives[:-1] - derivatives[-1]) / 12
    )
    return sums


@cache
def _running_sums(panel: int) -> Floats:
    """Row i: the sum over the first i integers of the panel."""
    first, end = (int(_first_of_panel(p)) for p in (panel, panel + 1))
    basis = TAIL.basis(np.log(np.arange(first, end, dtype=np.float64)), panel)
    return np.concatenate([np.zeros((1, NODES)), np.cumsum(basis, axis=0)])
