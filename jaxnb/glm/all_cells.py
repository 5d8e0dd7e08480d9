"""Maxima that are searched for on representatives of the cells, and found on all of them.

The log-likelihood of a gene's representatives (`jaxnb.glm.representatives`) has its maximum close
to that of all cells. It is where Newton's method on all cells starts, which then takes a step or
two instead of a search over the dispersions. Genes for which it does not converge from there are
searched for on all cells.
"""

from dataclasses import replace

import numpy as np

from jaxnb.glm.dispersion import DispersionFit, fit_dispersion, refined
from jaxnb.glm.problem import Problem
from jaxnb.glm.representatives import Representatives, representatives_of

__all__ = ["dispersions", "representatives"]


def representatives(problem: Problem) -> Representatives | None:
    """Representatives of the cells; None where these are few or differ between genes."""
    data = problem.data
    if data.cells.ndim > 1 or data.log_size_factors.ndim > 1:
        return None
    return representatives_of(data.rows[data.row_of], data.log_size_factors)


def dispersions(
    problem: Problem, chosen: Representatives | None, *, cox_reid: bool
) -> DispersionFit:
    """`fit_dispersion` of all genes, by way of representatives of the cells if there are any."""
    everyone = np.arange(problem.data.genes)
    if chosen is None:
        return fit_dispersion(problem, everyone, cox_reid=cox_reid)
    fit = fit_dispersion(_light(problem, chosen), everyone, cox_reid=cox_reid)
    near = np.flatnonzero(fit.converged & ~fit.at_limit)
    fit.converged[:] = False
    if near.size:
        fit.converged[near] = refined(problem, near, fit, cox_reid=cox_reid)
    rest = np.flatnonzero(~fit.converged)
    if rest.size:
        exact = fit_dispersion(problem, rest, cox_reid=cox_reid)
        for name, values in vars(exact).items():
            getattr(fit, name)[rest] = values
    return fit


def _light(problem: Problem, chosen: Representatives) -> Problem:
    """The same genes with representatives of the cells."""
    data = problem.data
    factors = np.exp(data.log_size_factors)
    part = replace(
        data,
        rows=data.rows[data.row_of[chosen.cells]],
        row_of=np.arange(chosen.cells.size),
        log_size_factors=data.log_size_factors[chosen.cells],
        cells=chosen.sums(data.cells),
        counts=chosen.sums(data.counts),
        exposures=chosen.totals(data.cells * factors),
        totals=chosen.totals(data.counts),
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
