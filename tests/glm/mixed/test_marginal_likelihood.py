"""The marginal likelihood: against brute force, with twice the nodes, and its derivatives."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from jaxnb.glm.mixed import likelihood, modes, nodes
from jaxnb.glm.mixed.data import DonorData
from jaxnb.glm.mixed.problem import MixedProblem, Point
from jaxnb.glm.mixed.quadrature import DROP, rule_numbers, rule_of
from jaxnb.glm.pseudo_cells import pseudo_cells

RNG = np.random.default_rng(3)
CELLS, DONORS = 420, 6
DONOR = RNG.integers(0, DONORS, CELLS)
# Both conditions in donors 0 to 3, one alone in the others.
CONDITION = np.where(DONOR < 4, RNG.integers(0, 2, CELLS), DONOR % 2)
FACTORS = np.exp(RNG.normal(0, 0.2, CELLS))
DESIGN = np.column_stack([np.ones(CELLS), CONDITION])
EFFECTS = RNG.normal(0, 0.6, (DONORS, 5))
MEAN = FACTORS[:, None] * np.array([0.1, 1.0, 20.0, 2.0, 300.0]) * np.exp(EFFECTS[DONOR])
COUNTS = RNG.poisson(RNG.gamma(2, 0.5, MEAN.shape) * MEAN)
GENES = COUNTS.shape[1]


def problem(*, doubled=False, cells=CELLS):
    matrix = np.column_stack([DONOR, DESIGN])[:cells]
    (part,) = pseudo_cells(COUNTS[:cells], matrix, FACTORS[:cells])
    made = MixedProblem(DonorData(part), doubled=doubled)
    made.fewer_rules = False
    return made


def point(sigma, alpha=0.4):
    beta = np.column_stack([np.log(COUNTS.mean(axis=0)), np.full(GENES, 0.2)])
    return Point(np.full(GENES, alpha), beta, np.full(GENES, sigma))


def brute_force(gene, at, cells):
    """The log-likelihood of the cells themselves at 25 digits, by the trapezoidal rule."""
    total = mpmath.mpf(0)
    alpha, sigma = mpmath.mpf(at.alpha[gene]), mpmath.mpf(at.sigma[gene])
    r, h = 1 / alpha, mpmath.mpf(1) / 12
    for donor in range(DONORS):
        mine = np.flatnonzero(DONOR[:cells] == donor)
        x = COUNTS[mine, gene].tolist()
        mu = (FACTORS[mine] * np.exp(DESIGN[mine] @ at.beta[gene])).tolist()
        constant = sum(
            mpmath.loggamma(k + r) - mpmath.loggamma(r) - mpmath.loggamma(k + 1) for k in x
        )
        integral = mpmath.mpf(0)
        for step in range(-100, 101):
            z = step * h
            log = constant - z * z / 2
            for k, m in zip(x, mu, strict=True):
                t = alpha * m * mpmath.exp(sigma * z)
                log += k * mpmath.log(t) - (k + r) * mpmath.log1p(t)
            integral += mpmath.exp(log)
        total += mpmath.log(h * integral / mpmath.sqrt(2 * mpmath.pi))
    return total


@pytest.mark.slow
def test_value_against_brute_force():
    cells = 45
    at = point(0.5)
    here = problem(cells=cells)
    value = here.evaluate(np.arange(GENES), at).log_likelihood
    value = value - here.data.exceedances.log_factorials
    with mpmath.workdps(25):
        for gene in (0, 2, 4):
            assert abs(value[gene] - brute_force(gene, at, cells)) < 1e-9


@pytest.mark.quick
@pytest.mark.parametrize("alpha", [0.0, 1e-6, 0.1, 100.0])
def test_differences_between_nodes(alpha):
    """A donor of 4 million counts, whose log-likelihood itself is rounded to 1e-8."""
    away = np.array([-20, -1.5, -0.3, -1e-3, -1e-7, 0, 1e-5, 2e-3, 0.9, 3])
    w, c, log_mu, origin = 4e6, 4.0, 13.8, 0.0155
    with jax.enable_x64(True):
        cells = nodes.Cells(
            *(jnp.array(entry) for entry in ([alpha], [1.0])),
            *(jnp.full((1, 1, 1, 1), entry) for entry in (w, c, log_mu, np.exp(log_mu))),
        )
        found = nodes.terms(
            cells, jnp.full((1, 1, 1, 1), origin), jnp.array(away)[None, None, :, None], order=0
        )

    def log_likelihood(eta):
        mu = mpmath.exp(eta)
        log1p_t = mpmath.log1p(alpha * mu)
        return w * (eta - log1p_t) - c * (log1p_t / alpha if alpha else mu)

    with mpmath.workdps(40):
        center = mpmath.mpf(log_mu) + mpmath.mpf(origin)
        start = log_likelihood(center)
        expected = [float(log_likelihood(center + mpmath.mpf(d)) - start) for d in away]
    value = np.asarray(found.value).ravel()
    near = np.abs(away) < 1
    # w d and what it is near to are rounded, each in a few operations
    error = np.abs(value - expected)
    assert np.all(error[near] <= 4 * np.finfo(float).eps * w * np.abs(away[near]))
    np.testing.assert_allclose(value[~near], np.array(expected)[~near], rtol=1e-9, atol=3e-8)
    constant = w * np.log1p(alpha)
    got = float(found.origin.value[0, 0, 0])
    np.testing.assert_allclose(got, float(start) + constant, atol=1e-7)


@pytest.mark.quick
@pytest.mark.parametrize("alpha", [0.0, 1e-9, 1e-6, 0.1])
def test_differences_of_second_order(alpha):
    """At the mean the score is 0, and the difference has no part that is linear in d."""
    away = np.array([-0.9, -0.06, -1e-2, -1e-4, -1e-9, 1e-8, 1e-5, 2e-3, 0.04, 0.3, 0.99])
    w, c, mu = 4e6, 4.0, 1e6
    with jax.enable_x64(True):
        cells = nodes.Cells(
            *(jnp.array(entry) for entry in ([alpha], [1.0])),
            *(jnp.full((1, 1, 1, 1), entry) for entry in (w, c, np.log(mu), mu)),
        )
        zero = jnp.zeros((1, 1, 1, 1))
        found = nodes.terms(cells, zero, jnp.array(away)[None, None, :, None], order=0)
    expected = []
    with mpmath.workdps(60):
        t = mpmath.mpf(alpha) * mu
        for d in map(mpmath.mpf, away):
            there, q = mu * mpmath.exp(d), 1 / (1 + t * mpmath.exp(d))
            rise = -mpmath.log(q * (1 + t))
            of_cells = rise / alpha if alpha else there - mu
            expected.append((w * (d - rise) - c * of_cells, (w - c * there) * q))
    value, score = np.array(expected, float).T
    # Of two terms that are larger than their difference by 1 + alpha mu. Beyond the series d
    # cancels in exp(d) - 1 - d, at 0.05 to a fortieth.
    units = np.where(np.abs(away) < nodes._SHORT, 8, 40) * (1 + alpha * mu)
    eps = np.finfo(float).eps
    assert np.all(np.abs(np.ravel(found.value) / value - 1) <= units * eps)
    np.testing.assert_allclose(np.ravel(found.score), score, rtol=8 * eps)


@pytest.mark.quick
@pytest.mark.parametrize("counts", [1.0, 1e7])
def test_ends_of_the_interval(counts):
    """The logarithm of the posterior falls as far as it should, even where it is very narrow."""
    sigma, mu = 4.0, 100.0
    with jax.enable_x64(True):
        cells = nodes.Cells(
            *(jnp.array([entry]) for entry in (0.0, 1.0)),
            *(jnp.full((1, 1, 1, 1), entry) for entry in (counts, 1.0, np.log(mu), mu)),
        )
        found = modes.placed(cells, jnp.array([sigma]), jnp.zeros((1, 1)), between_ends=True)
    mode, low, length = (float(entry[0, 0]) for entry in found)

    def log_posterior(z):
        return counts * sigma * z - mu * np.exp(sigma * z) - z * z / 2

    falls = log_posterior(mode) - log_posterior(np.array([low, low + length]))
    wanted = DROP + np.log(1 + sigma**2 * mu * np.exp(sigma * mode))
    assert (falls > 0.99 * wanted).all()
    assert (falls < 1.1 * wanted).all()


# Without dispersion the effect of a donor with 20,000 counts is known to 0.007.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("sigma", "alpha"),
    [(2.0, 0.0), (0.05, 0.4), (0.3, 0.4), (0.9, 0.4), (2.0, 0.4)],
)
def test_twice_the_nodes_change_nothing(sigma, alpha):
    genes = np.arange(GENES)
    got = problem().evaluate(genes, point(sigma, alpha))
    more = problem(doubled=True).evaluate(genes, point(sigma, alpha))
    np.testing.assert_allclose(got.log_likelihood, more.log_likelihood, rtol=0, atol=1e-7)
    scale = np.abs(more.hessian).max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(got.hessian / scale, more.hessian / scale, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("sigma", "alpha"), [(0.8, 0.4), (0.0, 0.4), (0.2, 1e-3)])
def test_derivatives_are_those_of_the_value(sigma, alpha):
    here = problem()
    at = point(sigma, alpha)
    got = here.evaluate(np.arange(GENES), at)
    rule = rule_of(int(rule_numbers(np.array([sigma]))[0]))
    gene = 1
    with jax.enable_x64(True):
        _, block = next(here.blocks(np.array([gene]), nodes=10**9))
        block = nodes.Block(*(entry[:1] for entry in block[:5]), *block[5:])
        one = at.take(np.array([gene]))
        _, origin, length = modes.placed(
            nodes.arranged(one.alpha, one.beta, block),
            one.sigma,
            here.modes[[gene]].T,
            between_ends=rule.between_ends,
        )

        p = np.concatenate([one.beta[0], one.alpha, one.sigma])
        there = one.alpha, one.beta, one.sigma, origin, length, block, rule
        rate = likelihood._motion(one.sigma, likelihood._posterior(*there, 1), block).rate

        def value(q):
            moved = origin + jnp.einsum("dqg,q->dg", rate, q - p)
            return likelihood.given_nodes(
                q[None, 2], q[None, :2], q[None, 3], moved, length, block, rule
            )[0]

        gradient, hessian = jax.jit(lambda q: (jax.grad(value)(q), jax.hessian(value)(q)))(p)
    np.testing.assert_allclose(got.gradient[gene], gradient, rtol=1e-9, atol=1e-8)
    np.testing.assert_allclose(got.hessian[gene], hessian, rtol=1e-8, atol=1e-6)


@pytest.mark.slow
def test_poisson_is_an_ordinary_point():
    here, genes, h = problem(), np.arange(GENES), 1e-7
    zero, near = (here.evaluate(genes, point(0.25, alpha)) for alpha in (0.0, h))
    rise = near.log_likelihood - zero.log_likelihood
    np.testing.assert_allclose(rise, h * zero.gradient[:, 2], rtol=1e-3)
    np.testing.assert_allclose(near.gradient, zero.gradient, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [0.25, 1.5])
def test_derivative_of_the_determinant(sigma):
    # Nodes that move with the parameters matter less the more there are.
    here, genes = problem(doubled=True), np.arange(GENES)
    at, h = point(sigma), 1e-3  # smaller steps drown in rounding
    here.determinant = True
    got = here.evaluate(genes, at).determinant

    def log_determinant(step):
        moved = Point(at.alpha + step[2], at.beta + step[:2], at.sigma + step[3])
        return np.linalg.slogdet(-here.evaluate(genes, moved).hessian[:, :2, :2])[1]

    for column, step in enumerate(h * np.eye(4)):
        near, far = (log_determinant(k * step) - log_determinant(-k * step) for k in (1, 2))
        expected = (8 * near - far) / (12 * h)
        np.testing.assert_allclose(got[:, column], expected, rtol=1e-6, atol=2e-6)


def test_a_billion_counts_per_row():
    """The logarithms of means are then data, normal with variance sigma squared."""
    rng, size, donors, sigma = np.random.default_rng(4), 1e9, 6, 0.5
    counts = np.round(size * np.exp(rng.uniform(-1, 1, (donors, 2)))).repeat(2, axis=0)
    design = np.column_stack([np.ones(donors), np.arange(donors) % 2, rng.normal(size=donors)])
    matrix = np.column_stack([np.arange(donors), design]).repeat(2, axis=0)
    (part,) = pseudo_cells(counts, matrix, np.ones(2 * donors))
    here = MixedProblem(DonorData(part), determinant=True)
    beta = np.log(size) * np.eye(3)[[0, 0]] + [[0.1, -0.2, 0.3], [-0.4, 0.5, 0.0]]
    got = here.evaluate(np.arange(2), Point(np.zeros(2), beta, np.full(2, sigma)))
    left = np.log(counts[::2]) - design @ beta.T
    in_beta = design.T @ left / sigma**2
    in_sigma = np.sum(left**2, axis=0) / sigma**3 - donors / sigma
    np.testing.assert_allclose(got.gradient[:, :3], in_beta.T, rtol=1e-7)
    np.testing.assert_allclose(got.gradient[:, 4], in_sigma, rtol=1e-7)
    np.testing.assert_allclose(
        got.hessian[0, :3, :3], -design.T @ design / sigma**2, rtol=1e-7, atol=1e-7
    )
    np.testing.assert_allclose(got.hessian[:, :3, 4], -2 * in_beta.T / sigma, rtol=1e-7)
    twice = donors / sigma**2 - 3 * np.sum(left**2, axis=0) / sigma**4
    np.testing.assert_allclose(got.hessian[:, 4, 4], twice, rtol=1e-7)
    # log det of the design's products, less 6 log sigma
    np.testing.assert_allclose(got.determinant[:, 4], -6 / sigma, rtol=1e-7)
    np.testing.assert_allclose(got.determinant[:, :3], 0, atol=1e-6)
