"""Sums of smooth functions over many points, replaced by sums over few nodes.

A line is cut into panels of one width, each with n Chebyshev nodes. If f is replaced on every panel
by the polynomial through its values there, Σᵢ wᵢ f(vᵢ) ≈ Σ_q W_q f(v_q) with W_q = Σᵢ wᵢ L_q(vᵢ),
L_q the Lagrange polynomials: the weights do not depend on f and add up over any parts of the
points. The panels lie at multiples of the width, whatever the data, so that any two parts have the
same nodes.
"""

from functools import cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

__all__ = [
    "FIRST_TAIL",
    "Panels",
    "nodes_for",
    "tail_panels",
    "tail_sums",
    "tail_weights",
    "whole_panel",
]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

# |f| after the part that is linear in z is taken away, which every polynomial reproduces, for
# f(z) = log(1 + exp(z)) on the ellipses used here: at most 1.92.
_LARGEST = 2.5
_SHARE_OF_STRIP = 0.9


def nodes_for(width: float, strip: float, tolerance: float) -> int:
    """Nodes that bound the error of interpolation on one panel.

    If f is analytic and |f| ≤ M inside the ellipse with foci at the panel's ends and semi-axes that
    add up to ρ·width/2, the polynomial through n Chebyshev nodes is off by at most
    4Mρ^(1−n) / (ρ − 1). The ellipse taken here reaches 0.9 of the way to the nearest singularity.

    Args:
        width: of a panel.
        strip: f is analytic where the imaginary part is smaller than this: π for
            log(1 + exp(z)).
        tolerance: absolute error of one value of f.

    References:
        L. N. Trefethen (2013), *Approximation Theory and Approximation Practice*, theorem 8.2.
    """
    ratio = _SHARE_OF_STRIP * strip / (width / 2)
    rho = ratio + np.sqrt(1 + ratio**2)
    needed = np.log(4 * _LARGEST / (rho - 1) / tolerance) / np.log(rho)
    return int(np.ceil(needed)) + 1


class Panels(NamedTuple):
    """Panels of one width, [origin + i·width, origin + (i + 1)·width), with n nodes each."""

    width: float
    nodes: int
    origin: float = 0.0

    def panel(self, values: ArrayLike) -> Ints:
        """The number of the panel that each value lies in."""
        where = (np.asarray(values, np.float64) - self.origin) / self.width
        numbers: Ints = np.floor(where).astype(np.int64)
        return numbers

    def at(self, first: int, count: int) -> Floats:
        """The nodes of `count` panels from number `first` on, shape ``(count · nodes,)``."""
        centers = self.origin + self.width * (first + np.arange(count) + 0.5)
        nodes: Floats = (centers[:, None] + self.width / 2 * _points(self.nodes)).ravel()
        return nodes

    def basis(self, values: Floats, panel: Ints | int) -> Floats:
        """The panel's Lagrange polynomials at the values, shape ``(values, nodes)``."""
        # The barycentric form: the polynomials add up to 1 to rounding, so that totals are kept.
        z = 2 * ((values - self.origin) / self.width - panel) - 1
        difference = z[:, None] - _points(self.nodes)
        on_node = difference == 0
        shares: Floats = _barycentric_weights(self.nodes) / np.where(on_node, 1, difference)
        shares /= shares.sum(axis=1, keepdims=True)
        hit = on_node.any(axis=1)
        shares[hit] = on_node[hit]
        return shares

    def derivative(self, values: Floats, panel: Ints | int) -> Floats:
        """Derivatives of the Lagrange polynomials with respect to the value."""
        z = 2 * ((values - self.origin) / self.width - panel) - 1
        derivatives = chebyshev.chebder(_coefficients(self.nodes), scl=2 / self.width)
        found: Floats = chebyshev.chebvander(z, self.nodes - 2) @ derivatives
        return found


@cache
def _points(nodes: int) -> Floats:
    """Chebyshev points of the first kind on [−1, 1], in ascending order."""
    return np.asarray(chebyshev.chebpts1(nodes), np.float64)


@cache
def _barycentric_weights(nodes: int) -> Floats:
    signs = np.where(np.arange(nodes) % 2 == 0, 1.0, -1.0)
    weights: Floats = signs * np.sqrt(1 - _points(nodes) ** 2)
    return weights


@cache
def _coefficients(nodes: int) -> Floats:
    """L_q = Σ_k c[k, q]·T_k, from the discrete orthogonality of T_k on the points."""
    polynomials = np.asarray(chebyshev.chebvander(_points(nodes), nodes - 1), np.float64)
    coefficients = polynomials.T * (2 / nodes)
    coefficients[0] /= 2
    return coefficients


# Histograms. With T_k the number of counts above k, the sum over the counts of
# log Γ(x + θ)/(Γ(θ)·θˣ) is Σ_k T_k·log(1 + k/θ), and log(1 + k/θ) = log(1 + exp(log k − log θ)) is
# as smooth in log k as the other sums are in log s.
FIRST_TAIL = 64
# Below this panel sums over k are added up, above it the formula of Euler and Maclaurin is exact
# to rounding: the polynomials change by less than 1% from one k to the next.
_FIRST_SMOOTH_PANEL = 7
_QUADRATURE = np.polynomial.legendre.leggauss(24)


@cache
def tail_panels(nodes: int) -> Panels:
    """Panels of width 1 in log k, the first of which begins at k = `FIRST_TAIL`."""
    return Panels(1.0, nodes, float(np.log(FIRST_TAIL)))


def _first_of_panel(panel: Any) -> Any:
    return np.ceil(FIRST_TAIL * np.exp(np.asarray(panel, np.float64))).astype(np.int64)


def tail_sums(counts: Ints, nodes: int) -> tuple[Ints, Floats]:
    """Sums of the Lagrange polynomials in log k over the last panel of every count.

    Args:
        counts: above `FIRST_TAIL`.
        nodes: nodes of a panel.

    Returns:
        The panel p of log(count − 1), and the sums over k from the first integer of that panel to
        count − 1, shape ``(counts, nodes)``. The sums over a whole panel p are those of the count
        first integer of panel p + 1, see `whole_panel`.
    """
    edges = _first_of_panel(np.arange(1, 40))
    panel: Ints = np.searchsorted(edges, counts - 1, side="right").astype(np.int64)
    sums = np.empty((counts.size, nodes))
    for p in np.unique(panel).tolist():
        here = panel == p
        sums[here] = _partial_sums(counts[here], p, nodes)
    return panel, sums


@cache
def whole_panel(panel: int, nodes: int) -> Floats:
    """Sums of the Lagrange polynomials over all integers of a panel, shape ``(nodes,)``."""
    end = np.array([_first_of_panel(panel + 1)])
    sums: Floats = _partial_sums(end, panel, nodes)[0]
    return sums


def tail_weights(gene: NDArray[Any], counts: Ints, genes: int, nodes: int) -> Floats:
    """Weights of every gene at the nodes in log k, from single counts.

    Args:
        gene: of every count.
        counts: above `FIRST_TAIL`.
        genes: how many there are.
        nodes: nodes of a panel.

    Returns:
        Shape ``(genes, panels · nodes)``, as many panels as the largest count needs.
    """
    distinct, where = np.unique(counts, return_inverse=True)
    last, sums = tail_sums(distinct, nodes)
    panel, panels = last[where], int(last.max()) + 1
    weights = np.zeros((genes, panels, nodes))
    for p in range(panels):
        here = np.flatnonzero(panel == p)
        places = (gene[here], np.arange(here.size))
        owner = sparse.csr_array((np.ones(here.size), places), shape=(genes, here.size))
        beyond = np.bincount(gene[panel > p], minlength=genes)
        weights[:, p] = owner @ sums[where[here]] + beyond[:, None] * whole_panel(p, nodes)
    return weights.reshape(genes, -1)


def _partial_sums(counts: Ints, panel: int, nodes: int) -> Floats:
    first = int(_first_of_panel(panel))
    if panel < _FIRST_SMOOTH_PANEL:
        found: Floats = _running_sums(panel, nodes)[counts - first]
        return found
    # Σ_{k=a}^{x−1} f(k) = ∫ f − (f(x) − f(a))/2 + (f′(x) − f′(a))/12 − …
    panels = tail_panels(nodes)
    low, high = np.log(float(first)), np.log(counts.astype(np.float64))
    points, weights = _QUADRATURE
    middle, half = (high + low) / 2, (high - low) / 2
    t = middle[:, None] + half[:, None] * points
    basis = panels.basis(t.ravel(), panel).reshape(*t.shape, nodes)
    integral = np.einsum("i,iq,iqn->in", half, weights * np.exp(t), basis)
    ends = np.append(high, low)
    values = panels.basis(ends, panel)
    derivatives = panels.derivative(ends, panel) / np.append(counts, first)[:, None]
    sums: Floats = (
        integral - (values[:-1] - values[-1]) / 2 + (derivatives[:-1] - derivatives[-1]) / 12
    )
    return sums


@cache
def _running_sums(panel: int, nodes: int) -> Floats:
    """Row i: the sum over the first i integers of the panel."""
    first, end = (int(_first_of_panel(p)) for p in (panel, panel + 1))
    basis = tail_panels(nodes).basis(np.log(np.arange(first, end, dtype=np.float64)), panel)
    return np.concatenate([np.zeros((1, nodes)), np.cumsum(basis, axis=0)])
