"""Maxima that are searched for on representatives of the cells, and found on all of them.

The log-likelihood of a gene's representatives (`jaxnb.glm.representatives`) has its maximum close
to that of all cells. It is where Newton's method on all cells starts, which then takes a step or
two instead of a search over the dispersions. The value after the last step is that before it and
the gain of the step. Genes for which it does not converge from there are searched for on all cells.
"""

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb.glm.ascent import Maxima, newton, rho_of
from jaxnb.glm.coefficients import (
    NEAR_TOLERANCE,
    CoefficientFit,
    fit_coefficients,
    initial_coefficients,
)
from jaxnb.glm.dispersion import DispersionFit, fit_dispersion
from jaxnb.glm.problem import Problem
from jaxnb.glm.pseudo_cells import distinct_rows
from jaxnb.glm.representatives import Representatives, representatives_of

__all__ = ["coefficients_at", "dispersions", "light_problem", "nested_problem", "representatives"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

# Steps near a maximum, and from how far in ρ.
_FEW_ITER, _NEIGHBORHOOD = 12, 0.5


def representatives(problem: Problem) -> Representatives | None:
    """Representatives of the cells; None where these are few or differ between genes."""
    data = problem.data
    if data.cells.ndim > 1 or data.log_size_factors.ndim > 1:
        return None
    return representatives_of(data.rows[data.row_of], data.log_size_factors)


def nested_problem(
    larger: Problem, chosen: Representatives | None, design: Floats
) -> Problem | None:
    """The same counts on a smaller design, with the representatives that are already made.

    Args:
        larger: the data on a design that spans this one.
        chosen: representatives of its cells.
        design: a row per cell.

    Returns:
        None where cells share rows of the design.
    """
    data = larger.data
    if chosen is None:
        return None
    if not len(design) == len(data.rows) == len(distinct_rows(design)[0]):
        return None
    problem = Problem(replace(data, rows=design))
    light_problem(problem, chosen, larger.light)
    return problem


def dispersions(
    problem: Problem, chosen: Representatives | None, *, cox_reid: bool
) -> DispersionFit:
    """`fit_dispersion` of all genes, by way of representatives of the cells if there are any."""
    everyone = np.arange(problem.data.genes)
    if chosen is None:
        return fit_dispersion(problem, everyone, cox_reid=cox_reid)
    fit = fit_dispersion(light_problem(problem, chosen), everyone, cox_reid=cox_reid)
    near = np.flatnonzero(fit.converged & ~fit.at_limit)
    fit.converged[:] = False
    if near.size:
        fit.converged[near] = _refined(problem, near, fit, cox_reid=cox_reid)
    rest = np.flatnonzero(~fit.converged)
    if rest.size:
        exact = fit_dispersion(problem, rest, cox_reid=cox_reid)
        for name, values in vars(exact).items():
            getattr(fit, name)[rest] = values
    return fit


def _refined(problem: Problem, genes: Ints, fit: DispersionFit, *, cox_reid: bool) -> Bools:
    """Put the maxima next to those of `fit` in their place; which of them there are."""
    settled = np.zeros(genes.size, bool)
    at_zero = fit.alpha[genes] == 0
    zero, rest = genes[at_zero], genes[~at_zero]
    if zero.size:
        at = fit_coefficients(
            problem, zero, fit.alpha[zero], fit.beta[zero],
            tolerance=NEAR_TOLERANCE, cox_reid=cox_reid,
        )  # fmt: skip
        here = at.evaluation
        found = Maxima(
            fit.alpha[zero],
            at.beta + here.step,
            here.log_likelihood + here.decrement,
            here.adjustment,
            at.converged & (here.derivative <= 0),
        )
        settled[at_zero] = _put(problem, zero, found, fit)
        fit.poisson_derivative[zero] = here.derivative
    if rest.size:
        rho = rho_of(fit.alpha[rest], problem.scale[rest])
        lower, upper = np.maximum(rho - _NEIGHBORHOOD, 0.0), rho + _NEIGHBORHOOD
        found = newton(
            problem, rest, rho, fit.beta[rest], lower, upper, cox_reid, _FEW_ITER, NEAR_TOLERANCE
        )
        settled[~at_zero] = _put(problem, rest, found, fit)
    return settled


def _put(problem: Problem, genes: Ints, found: Maxima, fit: DispersionFit) -> Bools:
    """Write the maxima of genes into `fit`; which are maxima."""
    fit.alpha[genes], fit.beta[genes] = found.alpha, found.beta
    constant = problem.data.exceedances.log_factorials[genes]
    fit.log_likelihood[genes] = found.log_likelihood - constant
    fit.adjusted[genes] = fit.log_likelihood[genes] + found.adjustment
    return found.converged


def coefficients_at(
    problem: Problem, chosen: Representatives | None, alpha: Floats, start: Floats | None = None
) -> CoefficientFit:
    """`fit_coefficients` of all genes, by way of representatives of the cells if there are any.

    Args:
        problem: the data.
        chosen: representatives of its cells, or None.
        alpha: dispersions, ``(genes,)``.
        start: ``(genes, p)``; None for `initial_coefficients`.
    """
    everyone = np.arange(problem.data.genes)
    if chosen is None:
        first = initial_coefficients(problem) if start is None else start
        return fit_coefficients(problem, everyone, alpha, first, profile=False)
    light = light_problem(problem, chosen)
    first = initial_coefficients(light) if start is None else start
    near = fit_coefficients(light, everyone, alpha, first, profile=False)
    first = near.beta + near.evaluation.step
    found = fit_coefficients(
        problem, everyone, alpha, first, tolerance=NEAR_TOLERANCE, profile=False
    )
    rest = np.flatnonzero(~found.converged)
    if rest.size:
        first = initial_coefficients(problem)[rest]
        exact = fit_coefficients(problem, rest, alpha[rest], first, profile=False)
        found.beta[rest], found.converged[rest] = exact.beta, exact.converged
        for entry, values in zip(found.evaluation, exact.evaluation, strict=True):
            entry[rest] = values
    return found


def light_problem(
    problem: Problem, chosen: Representatives, known: Problem | None = None
) -> Problem:
    """The same genes with representatives of the cells, which are made once.

    Args:
        problem: the data.
        chosen: representatives of its cells.
        known: the same for another design, whose sums of counts are taken over; None for none.
    """
    if problem.light is None:
        problem.light = _light(problem, chosen, known)
    return problem.light


def _light(problem: Problem, chosen: Representatives, known: Problem | None) -> Problem:
    data = problem.data
    factors = np.exp(data.log_size_factors)
    part = replace(
        data,
        rows=data.rows[data.row_of[chosen.cells]],
        row_of=np.arange(chosen.cells.size),
        log_size_factors=data.log_size_factors[chosen.cells],
        cells=chosen.sums(data.cells),
        counts=chosen.sums(data.counts) if known is None else known.data.counts,
        exposures=chosen.totals(data.cells * factors),
        totals=chosen.totals(data.counts) if known is None else known.data.totals,
    )
    separated = np.flatnonzero(problem.separated)
    if separated.size:
        cells, exposures = (np.tile(x, (data.genes, 1)) for x in (part.cells, part.exposures))
        kept = data.cells * problem.separation.kept[separated][:, data.row_of]
        cells[separated] = chosen.sums(kept)
        exposures[separated] = chosen.totals(kept * factors)
        part = replace(part, cells=cells, exposures=exposures)
    light = Problem(part, keep_all=True)
    light.separation = light.separation._replace(free=problem.separation.free)
    return light
