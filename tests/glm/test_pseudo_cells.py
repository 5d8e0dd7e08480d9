"""Pseudo-cells: the same sums as over the cells."""

import numpy as np
import pytest
from scipy import sparse

from jaxnb import glm
from jaxnb.glm import pseudo_cells as module
from jaxnb.glm.pseudo_cells import pseudo_cells

RNG = np.random.default_rng(11)


@pytest.mark.quick
def test_sums_over_cells():
    group = RNG.integers(0, 3, 4000)
    factors = np.exp(RNG.normal(0, 0.6, 4000))
    counts = RNG.poisson(factors[:, None] * [0.3, 8.0])
    (part,) = pseudo_cells(sparse.csr_array(counts), np.eye(3)[group], factors)
    assert len(part.cells) < 200
    for row in range(3):
        mine, nodes = group == np.argmax(part.rows[row]), part.row_of == row
        for mean in (1e-3, 5.0, 1e4):
            each = np.log1p(mean * factors[mine])
            at_nodes = np.log1p(mean * np.exp(part.log_size_factors[nodes]))
            assert part.cells[nodes] @ at_nodes == pytest.approx(each.sum(), rel=1e-13)
            np.testing.assert_allclose(
                part.counts[:, nodes] @ at_nodes, counts[mine].T @ each, rtol=1e-12
            )
        np.testing.assert_array_equal(part.totals[:, row], counts[mine].sum(axis=0))


@pytest.mark.quick
@pytest.mark.parametrize("single_counts", [False, True])
def test_a_whole_weight_repeats_a_cell(single_counts):
    counts, weights = RNG.poisson([0.5, 30.0], (60, 2)), RNG.integers(0, 4, 60)
    given = np.outer(weights, [1, 1]) if single_counts else weights
    times = np.repeat(np.arange(60), weights)
    (got,) = pseudo_cells(counts, np.ones((60, 1)), np.ones(60), weights=given.astype(float))
    (expected,) = pseudo_cells(counts[times], np.ones((times.size, 1)), np.ones(times.size))
    for alpha in (0.01, 3.0):
        gamma_functions, repeated = (
            part.exceedances.weights @ np.log1p(alpha * part.exceedances.thresholds)
            for part in (got, expected)
        )
        np.testing.assert_allclose(gamma_functions, repeated, rtol=1e-12)
    np.testing.assert_allclose(
        got.exceedances.log_factorials, expected.exceedances.log_factorials, rtol=1e-12
    )
    np.testing.assert_allclose(got.totals, expected.totals, rtol=1e-12)
    np.testing.assert_allclose(got.counts.sum(axis=1), expected.counts.sum(axis=1), rtol=1e-12)


@pytest.mark.slow
def test_fits_of_nodes_and_of_cells_are_the_same(monkeypatch):
    group = RNG.integers(0, 2, 900)
    factors = np.exp(RNG.normal(0, 0.5, 900))
    theta = np.array([0.5, 2.0, 1e9, 0.1])
    mean = factors[:, None] * np.exp([0.1, 2.0, 1.0, -1.0])
    counts = RNG.poisson(mean * RNG.gamma(theta, 1 / theta, size=mean.shape))
    counts[group == 1, 3] = 0
    design = np.column_stack([np.ones(900), group])
    nodes = glm.fit(counts, design, size_factors=factors)
    # Every row a group of its own, and genes in parts of two
    tiny = 1e-13 * np.arange(900)
    monkeypatch.setattr(module, "_DENSE_ENTRIES", 1800)
    cells = glm.fit(counts, design + np.outer(tiny, [0, 1]), size_factors=factors)
    assert len(list(nodes.regression.problems())) == 1
    assert len(list(cells.regression.problems())) == 2
    assert nodes.status.tolist() == cells.status.tolist()
    assert nodes.status[3] == "separated"
    np.testing.assert_allclose(nodes.dispersion, cells.dispersion, rtol=1e-7)
    np.testing.assert_allclose(nodes.coefficients, cells.coefficients, atol=1e-8)
    np.testing.assert_allclose(nodes.standard_errors, cells.standard_errors, rtol=1e-8)
    np.testing.assert_allclose(nodes.log_likelihood, cells.log_likelihood, atol=1e-7)
