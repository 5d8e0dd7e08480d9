"""Sums of smooth functions over many points, replaced by sums over few nodes.

A line is cut into panels of one width, each with n Chebyshev nodes. If f is replaced on every panel
by the polynomial through its values there, Σᵢ wᵢ f(vᵢ) ≈ Σ_q W_q f(v_q) with W_q = Σᵢ wᵢ L_q(vᵢ),
L_q the Lagrange polynomials: the weights do not depend on f and add up over any parts of the
points. The panels lie at multiples of the width, whatever the data, so that any two parts have the
same nodes.
"""

from functools import cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray

__all__ = ["NODES", "Panels", "nodes_for"]

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


# 1e-15 a term for the sums of log(1 + exp(u + v)) on panels of width 1.
NODES = nodes_for(1.0, np.pi, 1e-15)


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
