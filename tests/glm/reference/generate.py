"""Reference fits of NB regressions at 40 digits: run it to write reference.json beside it.

Independent of jaxnb's formulas: gamma functions instead of exceedances, every cell by itself,
Newton's method with mpmath from starts by SciPy, and for Cox-Reid numerical derivatives at 40
digits.

    python tests/glm/reference/generate.py
"""

import json
from functools import partial
from pathlib import Path

import mpmath as mp
import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln

from jaxnb.datasets import pbmc68k

mp.mp.dps = 40
OPTIONS = {"maxiter": 8000, "maxfev": 8000, "xatol": 1e-9, "fatol": 1e-11}


def cases():
    """Name, counts of one gene, design and size factors."""
    rng = np.random.default_rng(15)
    size_factors = np.round(np.exp(rng.normal(0, 0.3, 8)), 6)
    groups = np.repeat([0.0, 1.0], 4)
    pairs = np.column_stack([np.ones(8), groups, np.tile([0.0, 1.0], 4)])
    yield "bulk", [412, 380, 655, 590, 801, 2103, 944, 1302], pairs, size_factors
    yield "bulk, few counts", [0, 3, 1, 7, 2, 0, 12, 1], pairs, size_factors
    yield "bulk, Poisson", [10, 11, 14, 9, 12, 10, 9, 13], pairs, np.ones(8)
    yield (
        "bulk, large counts",
        [90412, 83380, 655130, 59210, 801442, 190, 94124, 52],
        pairs,
        size_factors,
    )
    age = np.column_stack([np.ones(40), np.linspace(-1, 1, 40), np.tile([0.0, 1.0], 20)])
    factors = np.round(np.exp(rng.normal(0, 0.4, 40)), 6)
    mean = factors * np.exp(age @ [1.2, 0.7, -0.4])
    yield "covariate", rng.negative_binomial(1.5, 1.5 / (1.5 + mean)).tolist(), age, factors
    data = pbmc68k()
    counts = data.counts.toarray() if hasattr(data.counts, "toarray") else np.asarray(data.counts)
    labels = np.asarray(data.labels)
    three = np.isin(labels, ["CD19+ B", "CD56+ NK", "Dendritic"])
    totals = np.asarray(data.total_counts, float)[three] / 1000
    design = np.column_stack(
        [np.ones(three.sum()), *(labels[three] == name for name in ("CD56+ NK", "Dendritic"))]
    )
    for gene in ("NPM1", "HLA-DRA", "STXBP2"):
        column = list(data.genes).index(gene)
        yield (
            f"pbmc {gene}",
            counts[three, column].astype(int).tolist(),
            design.astype(float),
            totals,
        )


class Model:
    """One gene's log-likelihood in mpmath."""

    def __init__(self, x, design, size_factors):
        self.x = [mp.mpf(int(v)) for v in x]
        self.rows = [[mp.mpf(float(v)) for v in row] for row in design]
        self.s = [mp.mpf(float(v)) for v in size_factors]
        self.p = len(self.rows[0])

    def means(self, beta):
        return [s * mp.exp(mp.fdot(row, beta)) for s, row in zip(self.s, self.rows, strict=True)]

    def log_likelihood(self, beta, alpha):
        total = mp.mpf(0)
        for x, mu in zip(self.x, self.means(beta), strict=True):
            if alpha == 0:
                total += x * mp.log(mu) - mu - mp.loggamma(x + 1)
            else:
                theta = 1 / alpha
                total += mp.loggamma(x + theta) - mp.loggamma(theta) - mp.loggamma(x + 1)
                total += x * mp.log(mu / (mu + theta)) - theta * mp.log1p(mu / theta)
        return total

    def coefficients(self, beta, alpha):
        beta = mp.matrix(beta)
        for _ in range(60):
            means = self.means(beta)
            score, hessian = mp.zeros(self.p, 1), mp.zeros(self.p)
            for x, mu, row in zip(self.x, means, self.rows, strict=True):
                q = 1 / (1 + alpha * mu)
                r, h = (x - mu) * q, mu * q * q * (1 + alpha * x)
                for i in range(self.p):
                    score[i] += r * row[i]
                    for j in range(self.p):
                        hessian[i, j] += h * row[i] * row[j]
            step = mp.lu_solve(hessian, score)
            beta = beta + step
            if max(abs(v) for v in step) < mp.mpf(10) ** -32:
                break
        return beta

    def information(self, beta, alpha):
        found = mp.zeros(self.p)
        for mu, row in zip(self.means(beta), self.rows, strict=True):
            for i in range(self.p):
                for j in range(self.p):
                    found[i, j] += mu / (1 + alpha * mu) * row[i] * row[j]
        return found

    def profile(self, tau, start, adjusted):
        alpha = mp.exp(tau)
        beta = self.coefficients(start, alpha)
        value = self.log_likelihood(beta, alpha)
        if adjusted:
            value -= mp.log(mp.det(self.information(beta, alpha))) / 2
        return value


def start_of(x, design, size_factors, adjusted):
    """The best of several starts in double precision; None if α = 0 is higher."""
    x = np.asarray(x, float)

    def loss(parameters):
        alpha, mu = np.exp(parameters[0]), size_factors * np.exp(design @ parameters[1:])
        theta = 1 / alpha
        terms = gammaln(x + theta) - gammaln(theta) - gammaln(x + 1)
        terms += x * np.log(mu / (mu + theta)) - theta * np.log1p(mu / theta)
        value = terms.sum()
        if adjusted:
            value -= np.linalg.slogdet((design.T * (mu / (1 + alpha * mu))) @ design)[1] / 2
        return -value

    ols = np.linalg.lstsq(design, np.log((x + 0.5) / size_factors), rcond=None)[0]
    ends = [
        minimize(loss, [tau, *ols], method="Nelder-Mead", options=OPTIONS)
        for tau in (-5.0, -2.0, 0.0, 2.0)
    ]
    return min(ends, key=lambda end: end.fun).x


def derivative_of(model, start, adjusted, tau):
    """Of the profile in log alpha, numerically."""
    return mp.diff(lambda t: model.profile(t, start, adjusted), tau, h=mp.mpf(10) ** -14)


def reference(name, x, design, size_factors):
    """The fits of one gene, decimal strings of 20 digits."""
    model = Model(x, design, size_factors)
    result = {"name": name, "counts": x, "design": design.tolist()}
    result["size_factors"] = size_factors.tolist()
    poisson = model.coefficients(start_of(x, design, size_factors, False)[1:], mp.mpf(0))
    boundary = {False: model.log_likelihood(poisson, 0)}
    boundary[True] = boundary[False] - mp.log(mp.det(model.information(poisson, 0))) / 2
    for method, adjusted in (("ml", False), ("cox-reid", True)):
        start = start_of(x, design, size_factors, adjusted)
        beta, alpha, value = poisson, mp.mpf(0), boundary[adjusted]
        if start[0] > -12:
            rough = model.coefficients(start[1:], mp.exp(start[0]))
            derivative = partial(derivative_of, model, rough, adjusted)
            tau = mp.findroot(derivative, (start[0], start[0] + 1e-3), solver="secant", tol=1e-40)
            higher = model.profile(tau, rough, adjusted)
            if higher > value:
                alpha, value = mp.exp(tau), higher
                beta = model.coefficients(rough, alpha)
        covariance = model.information(beta, alpha) ** -1
        result[method] = {
            "alpha": mp.nstr(alpha, 20),
            "beta": [mp.nstr(v, 20) for v in beta],
            "log_likelihood": mp.nstr(model.log_likelihood(beta, alpha), 20),
            "adjusted": mp.nstr(value, 20),
            "standard_errors": [mp.nstr(mp.sqrt(covariance[i, i]), 20) for i in range(model.p)],
        }
    return result


if __name__ == "__main__":
    found = []
    for case in cases():
        found.append(reference(*case))
        print(case[0], found[-1]["ml"]["alpha"], found[-1]["cox-reid"]["alpha"], flush=True)
    Path(__file__).with_name("reference.json").write_text(json.dumps(found, indent=1) + "\n")
