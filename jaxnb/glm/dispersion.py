"""The dispersion: every local maximum of the (adjusted) profile log-likelihood, and the highest.

The profile is traced from α = 0, where it is that of Poisson regression, over a grid of one point
a decade. Wherever its derivative falls through zero between two points, a maximum is found by
Newton's method within these bounds; α = 0 itself is a maximum if the derivative there is not
positive. Small samples often have two maxima, so that one ascent from one start is not enough.

Steps are made in ρ = log(1 + α m), see `jaxnb.glm.ascent`.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb.glm.ascent import d_alpha, newton, rho_of, shortened
from jaxnb.glm.coefficients import ROUNDING, fit_coefficients, initial_coefficients
from jaxnb.glm.likelihood import Evaluation
from jaxnb.glm.problem import Problem

__all__ = ["LARGEST_DISPERSION", "DispersionFit", "fit_dispersion"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

LARGEST_DISPERSION = 1e6
# The grid: from α m = 0.3 to at least α = 300, a decade a point, then on while the profile rises.
_FIRST, _STEP, _LAST = 0.3, 10.0, 300.0
# On the grid the coefficients need not be converged: the derivative is corrected for that.
_GRID_TOLERANCE = 1e-2


@dataclass
class DispersionFit:
    """Dispersions and coefficients, entries of shape ``(genes,)`` and ``(genes, p)``.

    Attributes:
        alpha: 0 where Poisson regression is the maximum.
        beta: coefficients at `alpha`.
        log_likelihood: with all terms.
        adjusted: log-likelihood with the Cox-Reid adjustment, or the log-likelihood itself.
        poisson_derivative: derivative of the profile at α = 0.
        maxima: how many local maxima were found, α = 0 included.
        converged: whether the maximum is one to rounding.
        at_limit: whether the profile still rises at the largest dispersion allowed.
    """

    alpha: Floats
    beta: Floats
    log_likelihood: Floats
    adjusted: Floats
    poisson_derivative: Floats
    maxima: Ints
    converged: Bools
    at_limit: Bools


@dataclass
class _Trace:
    """Points of the profile on the grid, one entry per gene and point."""

    gene: Ints
    alpha: Floats
    beta: Floats
    path: Floats
    value: Floats
    derivative: Floats


def fit_dispersion(problem: Problem, genes: Ints, *, cox_reid: bool) -> DispersionFit:
    """Fit dispersion and coefficients jointly, with restarts built in."""
    zero = np.zeros(genes.size)
    start = initial_coefficients(problem)[genes]
    poisson = fit_coefficients(problem, genes, zero, start, cox_reid=cox_reid)
    beta = poisson.beta + poisson.evaluation.step
    here = problem.evaluate(genes, zero, beta, cox_reid=cox_reid)
    constant = problem.data.exceedances.log_factorials[genes]
    value = here.log_likelihood + here.adjustment
    fit = DispersionFit(
        zero.copy(),
        beta.copy(),
        here.log_likelihood - constant,
        value - constant,
        here.derivative.copy(),
        (here.derivative <= 0).astype(np.int64),
        poisson.converged.copy(),
        np.zeros(genes.size, bool),
    )
    fit.adjusted[here.derivative > 0] = -np.inf
    owner, low, high = _brackets(problem, genes, beta, here, fit, cox_reid)
    _refine(problem, genes, owner, low, high, fit, cox_reid)
    return fit


def _brackets(
    problem: Problem,
    genes: Ints,
    beta: Floats,
    poisson: Evaluation,
    fit: DispersionFit,
    cox_reid: bool,
) -> tuple[Ints, _Trace, _Trace]:
    """Pairs of neighboring grid points between which the derivative falls through zero."""
    count = genes.size
    owners = np.arange(count)
    previous = _Trace(
        owners, np.zeros(count), beta, poisson.path.copy(),
        poisson.log_likelihood + poisson.adjustment, poisson.derivative.copy(),
    )  # fmt: skip
    scale = problem.scale[genes]
    alpha = _FIRST / scale
    pairs: list[tuple[_Trace, _Trace]] = []
    while owners.size:
        change = d_alpha(previous.alpha, scale[owners]) * (
            rho_of(alpha, scale[owners]) - rho_of(previous.alpha, scale[owners])
        )
        move = shortened(previous.path * change[:, None])
        point = fit_coefficients(
            problem, genes[owners], alpha, previous.beta + move,
            tolerance=_GRID_TOLERANCE, cox_reid=cox_reid,
        )  # fmt: skip
        here = point.evaluation
        current = _Trace(
            owners,
            alpha,
            point.beta + here.step,
            here.path,
            here.log_likelihood + here.decrement + here.adjustment,
            here.derivative,
        )
        falls = (previous.derivative > 0) & (here.derivative <= 0)
        pairs.append((_taken(previous, falls), _taken(current, falls)))
        rises = here.derivative > 0
        ended = rises & (alpha >= LARGEST_DISPERSION)
        for entry, values in ((fit.alpha, alpha), (fit.beta, current.beta)):
            entry[owners[ended]] = values[ended]
        fit.at_limit[owners[ended]] = True
        going = ~ended & ((alpha < _LAST) | rises)
        previous = _taken(current, going)
        owners = owners[going]
        alpha = np.minimum(alpha[going] * _STEP, LARGEST_DISPERSION)
    low, high = (_concatenated([pair[side] for pair in pairs]) for side in (0, 1))
    return low.gene, low, high


def _refine(
    problem: Problem,
    genes: Ints,
    owner: Ints,
    low: _Trace,
    high: _Trace,
    fit: DispersionFit,
    cox_reid: bool,
) -> None:
    """Newton's method in ρ inside every bracket; the highest maximum of a gene goes into `fit`."""
    if not owner.size:
        return
    gene, scale = genes[owner], problem.scale[genes[owner]]
    lower, upper = rho_of(low.alpha, scale), rho_of(high.alpha, scale)
    rho = _first_guess(low, high, lower, upper, scale)
    nearer_high = rho - lower > upper - rho
    origin = np.where(nearer_high, high.alpha, low.alpha)
    path = np.where(nearer_high[:, None], high.path, low.path)
    beta = np.where(nearer_high[:, None], high.beta, low.beta)
    change = d_alpha(origin, scale) * (rho - rho_of(origin, scale))
    beta = beta + shortened(path * change[:, None])
    found = newton(problem, gene, rho, beta, lower, upper, cox_reid)
    _keep_highest(problem, gene, owner, found.alpha, found.beta, found.converged, fit, cox_reid)


def _keep_highest(
    problem: Problem,
    gene: Ints,
    owner: Ints,
    alpha: Floats,
    beta: Floats,
    converged: Bools,
    fit: DispersionFit,
    cox_reid: bool,
) -> None:
    final = problem.evaluate(gene, alpha, beta, cox_reid=cox_reid)
    log_likelihood = final.log_likelihood - problem.data.exceedances.log_factorials[gene]
    adjusted = log_likelihood + final.adjustment
    np.add.at(fit.maxima, owner, 1)
    # A gene's maxima one after the other; equal ones by the smaller dispersion.
    for position in np.argsort(owner, kind="stable"):
        mine = owner[position]
        noise = ROUNDING * final.magnitude[position]
        if adjusted[position] > fit.adjusted[mine] + noise:
            fit.alpha[mine], fit.beta[mine] = alpha[position], beta[position]
            fit.log_likelihood[mine] = log_likelihood[position]
            fit.adjusted[mine] = adjusted[position]
            fit.converged[mine] = converged[position]
            fit.at_limit[mine] = False


def _first_guess(low: _Trace, high: _Trace, lower: Floats, upper: Floats, scale: Floats) -> Floats:
    """Where the cubic through the values and derivatives at both ends has its maximum."""
    width = upper - lower
    left = low.derivative * d_alpha(low.alpha, scale) * width
    right = high.derivative * d_alpha(high.alpha, scale) * width
    rise = high.value - low.value
    # d/dx of the cubic is left + 2 b x + 3 c x² on [0, 1].
    b, c = 3 * rise - 2 * left - right, left + right - 2 * rise
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(np.maximum(b * b - 3 * c * left, 0.0))
        share = left / (root - b)
        linear = left / (left - right)
    share = np.where(np.isfinite(share) & (share > 0.02) & (share < 0.98), share, linear)
    return lower + width * np.clip(share, 0.02, 0.98)


def _taken(trace: _Trace, which: Bools) -> _Trace:
    return _Trace(**{name: entry[which] for name, entry in vars(trace).items()})


def _concatenated(traces: list[_Trace]) -> _Trace:
    names = vars(traces[0])
    return _Trace(**{name: np.concatenate([getattr(t, name) for t in traces]) for name in names})
