"""Fit the quadrature rules of `jaxnb/cdf/coefficients.py` and write that file.

Run from the repository root, with mpmath installed (a few minutes):

    python tests/reference/fit_quadrature.py

Both tails of the negative binomial are the integral of a function exp(h(sigma)) that falls from 1
to 0 and has three parameters (see `jaxnb/cdf/quadrature.py`). Scaled by a length rho that fits its
width, all of these functions are so alike that one rule with fixed nodes and weights integrates
them all: a generalized Gauss quadrature. The rule is fitted to a sample of the family by least
squares on the relative errors, where the weights, which enter linearly, are eliminated (variable
projection: Golub and Pereyra 1973), and then reweighted towards the smallest maximal error
(Lawson 1961). The arithmetic is long double, since float64 would stop short of its own precision.
"""

import argparse
import pathlib
from typing import NamedTuple

import numpy as np
from mpmath import chebyfit, euler, loggamma, mp, mpf
from numpy.polynomial.legendre import leggauss
from scipy.interpolate import interp1d

TARGET = pathlib.Path(__file__).parents[2] / "jaxnb" / "cdf" / "coefficients.py"
Real = np.longdouble


class Rule(NamedTuple):
    """What is fitted for a dtype: how many nodes, and the importance of d log(R) / dtheta."""

    nodes: int
    moment: float


# In float64 the derivative has digits to spare, so that the value has nearly all of the weight.
RULES = {"float32": Rule(9, 0.1), "float64": Rule(18, 0.01)}
CURVATURE_SCALE = 12  # in rho; of 6 to 18, the value with the smallest error
SERIES_LIMIT = 1.5  # below this b p, for theta < 2, the series of `small_theta` takes over


class Family(NamedTuple):
    """Integrands exp(-A s) (1 + kappa u)**(C - 1), u = 1 - exp(-s), one an entry.

    Attributes:
        a: The rate A.
        c: The exponent C.
        kappa: kappa.
        scale: rho / A, the unit of the nodes in s.
        lower: Whether it is a lower tail, C = x + 1, or an upper one, C = theta.
        integral: The integral over s in that unit.
        moment: The integral of dh/dtheta times the integrand, likewise.
    """

    a: np.ndarray
    c: np.ndarray
    kappa: np.ndarray
    scale: np.ndarray
    lower: np.ndarray
    integral: np.ndarray
    moment: np.ndarray


def sample(rng: np.random.Generator, n: int) -> list[np.ndarray]:
    """A, C, kappa and `lower` as the two tails have them, the limits of their regions included."""

    def log_uniform(low: float, high: float, size: int) -> np.ndarray:
        return np.exp(rng.uniform(np.log(low), np.log(high), size))

    def distance(size: int) -> np.ndarray:
        """|log(mu / b)|, 0 for a quarter, large for another."""
        near = np.log1p(np.exp(-3 * rng.exponential(1, size))) * (rng.random(size) < 2 / 3)
        return np.where(rng.random(size) < 1 / 4, rng.exponential(3, size), near)

    # lower tail: A = theta >= 2, C = b = x + 1 <= mu, kappa = theta / mu
    theta = np.concatenate(
        [log_uniform(2, 1e9, n), log_uniform(2, 50, n), rng.choice([2.0, 2.5, 3.0, 5.0], n)]
    )
    b = np.floor(log_uniform(2, 2e7, 3 * n))
    mu = b * np.exp(distance(3 * n))
    lower = theta, b, theta / mu, theta > 0
    # upper tail: A = b >= mu, C = theta, kappa = mu / theta
    theta = np.concatenate([log_uniform(2, 1e9, n), log_uniform(2, 50, n)])
    b = np.floor(log_uniform(2, 2e7, 2 * n))
    mu = b * np.exp(-distance(2 * n))
    upper = b, theta, mu / theta, theta < 0
    # upper tail for theta < 2, where b p >= SERIES_LIMIT, p = theta / (theta + mu)
    theta = log_uniform(1e-6, 2, 2 * n)
    b = np.floor(log_uniform(2, 2e7, 2 * n))
    excess = rng.exponential(1.5, 2 * n) * (rng.random(2 * n) < 0.7)
    p = np.minimum((SERIES_LIMIT + excess) / b, 1 - 0.1 * rng.random(2 * n))
    small = b, theta, (1 - p) / p, theta < 0
    return [np.concatenate(parts) for parts in zip(lower, upper, small, strict=True)]


def family(seed: int, n: int) -> Family:
    *parameters, lower = sample(np.random.default_rng(seed), n)
    a, c, kappa = (v.astype(Real) for v in parameters)
    decay = a - (c - 1) * kappa
    curvature = np.maximum((c - 1) * kappa * (1 + kappa), 0)
    scale = 2 / (decay + np.sqrt(decay * decay + CURVATURE_SCALE * curvature))
    unscaled = Family(a, c, kappa, scale, lower, np.ones_like(a), np.ones_like(a))
    x, w = composite_rule()
    value, moment = (integrand[0] @ w for integrand in integrands(unscaled, x))
    return unscaled._replace(integral=value, moment=moment)


def composite_rule() -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre on panels of growing length, nodes refined to long double."""
    x = leggauss(24)[0].astype(Real)
    for _ in range(3):
        polynomial, derivative = legendre(24, x)
        x = x - polynomial / derivative
    w = 2 / ((1 - x * x) * legendre(24, x)[1] ** 2)
    edges = np.concatenate([[0], np.geomspace(0.02, 400, 60)]).astype(Real)
    half = np.diff(edges)[:, None] / 2
    return ((edges[:-1, None] + half) + half * x).ravel(), (half * w).ravel()


def legendre(n: int, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    before, value = np.ones_like(x), x
    for k in range(2, n + 1):
        before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
    return value, n * (x * value - before) / (x * x - 1)


def integrands(f: Family, tau: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """exp(h) and dh/dtheta exp(h), relative to their integrals, and their derivatives in tau."""
    a, c, kappa, scale = (v[:, None] for v in (f.a, f.c, f.kappa, f.scale))
    s = scale * tau
    u = -np.expm1(-s)
    y = kappa * u
    s_minus_u = remainder(s, u)
    h = (c - 1) * log1p_minus_x(y) - (a - (c - 1) * kappa) * u - a * s_minus_u
    d_h = (1 - u) * (c - 1) * kappa / (1 + y) - a
    value = np.exp(h) / f.integral[:, None]
    # the moment as `jaxnb.cdf.quadrature.integrate_with_moment` has it, but for a constant factor
    lower = (s * u - s_minus_u) / (1 + y)
    d_lower = (s - lower * kappa) * (1 - u) / (1 + y)
    upper = log1p_minus_x(y) + (y * y + y / c) / (1 + y)
    d_upper = (y + 1 / c - (y * y + y / c) / (1 + y)) / (1 + y) * kappa * (1 - u)
    moment = np.where(f.lower[:, None], lower, upper)
    d_moment = np.where(f.lower[:, None], d_lower, d_upper)
    weight = np.exp(h) / f.moment[:, None]
    return [
        (value, value * d_h * scale),
        (weight * moment, weight * (d_moment + moment * d_h) * scale),
    ]


def log1p_minus_x(y: np.ndarray) -> np.ndarray:
    small = np.where(y < 0.02, y, 0)
    series = np.zeros_like(y)
    for k in range(14, 1, -1):
        series = series * small + Real(1 if k % 2 else -1) / k
    return np.where(y < 0.02, small * small * series, np.log1p(y) - y)


def remainder(s: np.ndarray, u: np.ndarray) -> np.ndarray:
    """s - u = exp(-s) - 1 + s."""
    small = np.where(s < 0.1, s, 0)
    series = np.zeros_like(s)
    for k in range(16, 1, -1):
        series = (1 - small * series) / k if k > 2 else (1 - small * series) / 2
    return np.where(s < 0.1, small * small * series, s - u)


# Householder's QR, since NumPy's linear algebra knows no long double


def factorize(matrix: np.ndarray) -> tuple[np.ndarray, list[tuple[np.ndarray, Real]]]:
    """The triangle R, and the reflections that led to it."""
    matrix, reflections = matrix.copy(), []
    for k in range(matrix.shape[1]):
        v = matrix[k:, k].copy()
        norm = np.sqrt(v @ v)
        v[0] += norm if v[0] >= 0 else -norm
        reflections.append((v, 2 / (v @ v)))
        matrix[k:, k:] -= np.outer(v, reflections[-1][1] * (v @ matrix[k:, k:]))
    return matrix[: matrix.shape[1]], reflections


def reflect(reflections: list[tuple[np.ndarray, Real]], target: np.ndarray) -> np.ndarray:
    target = target.copy()
    for k, (v, factor) in enumerate(reflections):
        projection = factor * (v @ target[k:])
        target[k:] -= np.outer(v, projection) if target.ndim == 2 else v * projection
    return target


def solve_triangle(triangle: np.ndarray, target: np.ndarray) -> np.ndarray:
    n = len(triangle)
    solution = np.zeros(n, Real)
    for k in range(n - 1, -1, -1):
        solution[k] = (target[k] - triangle[k, k + 1 :] @ solution[k + 1 :]) / triangle[k, k]
    return solution


class Fit(NamedTuple):
    """Nodes, the weights that are best for them, and the relative errors of the integrals."""

    tau: np.ndarray
    w: np.ndarray
    error: np.ndarray
    moment_error: np.ndarray
    jacobian: np.ndarray  # of the residuals in log(tau), the weights eliminated (Kaufman 1975)
    residual: np.ndarray


def project(f: Family, tau: np.ndarray, importance: np.ndarray, moment: float) -> Fit:
    (value, d_value), (of_moment, d_moment) = integrands(f, tau)
    importance = np.concatenate([importance, moment * np.ones_like(f.a)])
    columns = np.concatenate([value, of_moment])
    triangle, reflections = factorize(columns * importance[:, None])
    w = solve_triangle(triangle, reflect(reflections, importance)[: len(tau)])
    error = columns @ w - 1
    derivative = np.concatenate([d_value, d_moment])
    jacobian = reflect(reflections, derivative * (w * tau) * importance[:, None])
    residual = reflect(reflections, importance * error)
    jacobian[: len(tau)], residual[: len(tau)] = 0, 0
    return Fit(tau, w, *np.split(error, 2), jacobian, residual)


def least_squares(
    f: Family, tau: np.ndarray, importance: np.ndarray, moment: float, iterations: int
) -> Fit:
    """Levenberg-Marquardt in log(tau)."""
    n, damping = len(tau), Real(1e-2)
    best = project(f, tau.astype(Real), importance, Real(moment))
    costs = [best.residual @ best.residual]
    for _ in range(iterations):
        length = np.sqrt((best.jacobian**2).sum(0)) + Real(1e-300)
        damped = np.concatenate([best.jacobian / length, np.sqrt(damping) * np.eye(n, dtype=Real)])
        triangle, reflections = factorize(damped)
        target = np.concatenate([-best.residual, np.zeros(n, Real)])
        step = solve_triangle(triangle, reflect(reflections, target)[:n]) / length
        step = step * min(1, 0.2 / np.abs(step).max())
        trial = project(f, np.sort(best.tau * np.exp(step)), importance, Real(moment))
        cost = trial.residual @ trial.residual
        if cost < costs[-1]:
            best, damping = trial, max(damping * Real(0.3), Real(1e-20))
        else:
            cost, damping = costs[-1], damping * 4
        costs.append(cost)
        if damping > 1e6 or (len(costs) > 20 and costs[-20] < 1.03 * cost):
            break
    return best


def towards_minimax(f: Family, fit: Fit, moment: float, rounds: int) -> Fit:
    """Lawson's reweighting; the best rule met."""
    importance, best = np.ones_like(f.a), fit
    for _ in range(rounds):
        size = np.abs(fit.error)
        importance = importance * (size / size.max() + Real(0.02)) ** Real(0.6)
        importance = importance / importance.max()
        fit = least_squares(f, fit.tau, importance, moment, 12)
        if largest_error(fit) < largest_error(best) and fit.w.min() > 0:
            best = fit
    return best


def largest_error(fit: Fit) -> float:
    return float(np.abs(fit.error).max())


def one_node_more(tau: np.ndarray) -> np.ndarray:
    """Sqrt(tau / n) is nearly a fixed function of the node's rank over n."""
    n = len(tau)
    ranks = np.concatenate([[0], (np.arange(n) + 0.75) / n])
    heights = np.concatenate([[0], np.sqrt(tau.astype(float) / n)])
    curve = interp1d(ranks, heights, kind="cubic", fill_value="extrapolate")
    return (n + 1) * curve((np.arange(n + 1) + 0.75) / (n + 1)) ** 2


def fit_rules() -> dict[str, tuple[Fit, float]]:
    """For each dtype the rule, and its largest error on integrands that it has not seen."""
    training, unseen = family(1, 350), family(2, 1000)
    ones = np.ones_like(training.a)
    tau = 0.22 * (np.arange(8) + 0.75) ** 2  # the roots of the nodes are nearly equidistant
    rules = {}
    for dtype, (nodes, moment) in RULES.items():
        while True:
            fit = least_squares(training, tau, ones, moment, 80)
            tau = fit.tau
            print(f"{len(tau)} nodes: {largest_error(fit):.2g}", flush=True)
            if len(tau) >= nodes:
                break
            tau = one_node_more(tau)
        rule = towards_minimax(training, fit, moment, 12)
        if rule.w.min() <= 0:
            raise RuntimeError(f"{dtype}: a weight is negative")
        error, moment_error = (
            float(np.abs(values @ rule.w - 1).max()) for values, _ in integrands(unseen, rule.tau)
        )
        rules[dtype] = rule, error
        print(f"{dtype}: on unseen integrands {error:.2g}, moments {moment_error:.2g}", flush=True)
    return rules


def log_gamma_over_argument(t: mpf) -> mpf:
    """log Gamma(1 + a) / a at a = 1 + t."""
    a = 1 + t
    return -euler if a == 0 else loggamma(1 + a) / a


def table(name: str, comment: dict[str, str], values: dict[str, list[float]]) -> list[str]:
    lines = [f"{name}: Final[Table] = {{"]
    for dtype, numbers in values.items():
        lines += [f"    # {comment[dtype]}", f'    "{dtype}": (']
        lines += [f"        {float(number)!r}," for number in numbers]
        lines += ["    ),"]
    return [*lines, "}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=TARGET)
    target = parser.parse_args().out
    rules = fit_rules()
    errors = {dtype: f"relative error {error:.1e}" for dtype, (_, error) in rules.items()}
    lines = [
        '"""Quadrature rules and a polynomial, written by tests/reference/fit_quadrature.py."""',
        "",
        "from typing import Final",
        "",
        "Table = dict[str, tuple[float, ...]]",
        "",
        "# Nodes and weights for the integrals of `quadrature`, in units of its rho",
        *table("NODES", errors, {dtype: list(rule.tau) for dtype, (rule, _) in rules.items()}),
        "",
        *table("WEIGHTS", errors, {dtype: list(rule.w) for dtype, (rule, _) in rules.items()}),
        "",
        "# log Gamma(1 + a) / a at a = 1 + t, on [-1, 1], highest power first",
    ]
    values, comments = {}, {}
    with mp.workdps(60):
        for dtype, terms in {"float32": 13, "float64": 28}.items():
            coefficients, error = chebyfit(log_gamma_over_argument, [-1, 1], terms, error=True)
            values[dtype] = [float(c) for c in coefficients]
            comments[dtype] = f"error {float(error):.1e}"
    lines += table("LOG_GAMMA_OVER_ARGUMENT", comments, values)
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
