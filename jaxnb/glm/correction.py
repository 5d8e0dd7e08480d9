"""Maxima of exact likelihoods, found on representatives of the cells.

Let ℓ be the log-likelihood of a gene and m that of its representatives, whose derivatives differ
from ℓ's by about 1e-6 of their terms. At the maximum of m the value and the first derivatives of ℓ
are computed, and what they differ by is added to m as a linear function. Its maximum is then that
of ℓ, up to the difference of the second derivatives times the distance, which is of second order.
It is repeated until the correction adds nothing; genes for which it does not settle are searched
for on all cells. The Cox-Reid adjustment is that of the representatives.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb.glm.coefficients import fit_coefficients, initial_coefficients
from jaxnb.glm.dispersion import DispersionFit, fit_dispersion, refined
from jaxnb.glm.problem import Problem

__all__ = ["coefficients_at", "dispersions"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

# A correction that is expected to add less than this has made the error of second order vanish.
_SMALL_GAIN = 1e-7
_ROUNDS = 4


def dispersions(problem: Problem, *, cox_reid: bool) -> DispersionFit:
    """`fit_dispersion` of all genes, by way of representatives where there are any."""
    everyone = np.arange(problem.data.genes)
    light = problem.light
    if light is None:
        return fit_dispersion(problem, everyone, cox_reid=cox_reid)
    fit = fit_dispersion(light, everyone, cox_reid=cox_reid)
    active = np.flatnonzero(fit.converged & ~fit.at_limit)
    fit.converged[:] = False
    for _ in range(_ROUNDS):
        if not active.size:
            break
        light.correct(problem, active, fit.alpha[active], fit.beta[active])
        before = light.evaluate(active, fit.alpha[active], fit.beta[active], cox_reid=cox_reid)
        settled = refined(light, active, fit, cox_reid=cox_reid)
        gain = fit.adjusted[active] + light.data.histogram.log_factorials[active]
        gain -= before.log_likelihood + before.adjustment
        done = settled & (gain < _SMALL_GAIN)
        fit.converged[active[done]] = True
        active = active[settled & ~done]
    rest = np.flatnonzero(~fit.converged)
    if rest.size:
        exact = fit_dispersion(problem, rest, cox_reid=cox_reid)
        for name, values in vars(exact).items():
            getattr(fit, name)[rest] = values
    return fit


def coefficients_at(
    problem: Problem, alpha: Floats, start: Floats | None
) -> tuple[Floats, Floats, Bools]:
    """Coefficients, log-likelihoods without log x! and convergence of all genes at dispersions."""
    light = problem.light
    everyone = np.arange(problem.data.genes)
    if light is None:
        first = initial_coefficients(problem) if start is None else start
        return _whole(problem, everyone, alpha, first)
    first = initial_coefficients(light) if start is None else start
    beta, value, converged = _whole(light, everyone, alpha, first)
    active = np.flatnonzero(converged)
    converged[:] = False
    for _ in range(_ROUNDS):
        if not active.size:
            break
        light.correct(problem, active, alpha[active], beta[active])
        before = light.evaluate(active, alpha[active], beta[active], cox_reid=False)
        found = _whole(light, active, alpha[active], beta[active])
        beta[active], value[active], settled = found
        done = settled & (value[active] - before.log_likelihood < _SMALL_GAIN)
        converged[active[done]] = True
        active = active[settled & ~done]
    rest = np.flatnonzero(~converged)
    if rest.size:
        beta[rest], value[rest], converged[rest] = _whole(problem, rest, alpha[rest], beta[rest])
    return beta, value, converged


def _whole(
    problem: Problem, genes: Ints, alpha: Floats, start: Floats
) -> tuple[Floats, Floats, Bools]:
    found = fit_coefficients(problem, genes, alpha, start)
    here = found.evaluation
    return found.beta + here.step, here.log_likelihood + here.decrement, found.converged
