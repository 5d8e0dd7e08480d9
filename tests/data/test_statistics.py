"""The statistics against the sums over all cells that they replace."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import gammaln

from jaxnb import datasets
from jaxnb.data.chebyshev import Panels, nodes_for
from jaxnb.fit import CountStatistics

Floats = NDArray[np.float64]
RNG = np.random.default_rng(14)


def from_statistics(statistics: CountStatistics, mean: Floats, theta: Floats) -> Floats:
    """The NB log-likelihood, by the formula at the head of `jaxnb.data.statistics`."""
    k, tails = statistics.tails()
    softplus = np.log1p((mean / theta)[:, None] * np.exp(statistics.nodes))
    likelihood = np.sum(tails * np.log1p(k / theta[:, None]), axis=1)
    likelihood += np.log(mean) * statistics.totals[:, 0] + statistics.count_log_factor_sums
    likelihood -= statistics.log_factorials + theta * (softplus @ statistics.cell_weights[0])
    return likelihood - np.sum(softplus * statistics.count_weights[:, 0], axis=1)


def from_cells(x: Floats, s: Floats, mean: Floats, theta: Floats) -> Floats:
    mu = s[:, None] * mean
    rising = gammaln(x + theta) - gammaln(theta)
    terms = rising - gammaln(x + 1) + x * np.log(mu / (mu + theta)) - theta * np.log1p(mu / theta)
    return terms.sum(axis=0)


@pytest.mark.parametrize("zero_inflation", [False, True])
def test_the_likelihood_of_the_bundled_genes(zero_inflation: bool) -> None:
    data = datasets.pbmc68k()
    s = data.total_counts / data.total_counts.mean()
    statistics = CountStatistics.of(data.counts, s, zero_inflation=zero_inflation)
    x = data.counts.toarray().astype(np.float64)
    mean, theta = x.sum(axis=0) / s.sum(), np.exp(np.linspace(-4, 6, x.shape[1]))
    expected = from_cells(x, s, mean, theta)
    assert_allclose(from_statistics(statistics, mean, theta), expected, rtol=0, atol=3e-10)
    assert_array_equal(statistics.nonzeros, np.count_nonzero(x, axis=0))
    assert_array_equal(statistics.totals[:, 0], x.sum(axis=0))
    assert_array_equal(statistics.squares, (x**2).sum(axis=0))


@pytest.mark.quick
def test_stored_zeros_are_no_counts() -> None:
    x = RNG.poisson(1.0, (40, 3)).astype(np.float64)
    stored = sparse.csr_array(x + 1)
    stored.data -= 1
    expected, found = (
        CountStatistics.of(counts, np.ones(40), zero_inflation=True) for counts in (x, stored)
    )
    for name in ("nonzeros", "histogram", "squares", "totals", "nonzero_weights"):
        assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


@pytest.mark.quick
def test_sums_of_the_nonzeros() -> None:
    """The probability of a zero under an inflation of 0.01."""
    s = np.exp(RNG.normal(0, 1, 300))
    x = RNG.poisson(3 * s[:, None] * (RNG.random((300, 4)) < 0.7))
    statistics = CountStatistics.of(x, s, zero_inflation=True)

    def log_zero(v: Floats) -> Floats:
        return np.logaddexp(np.log(0.01), np.log(0.99) - 1.5 * np.log1p(2 * np.exp(v)))

    values = log_zero(statistics.nodes)
    assert statistics.nonzero_weights is not None
    assert_allclose(
        statistics.nonzero_weights[:, 0] @ values, (x > 0).T @ log_zero(np.log(s)), rtol=1e-13
    )
    assert_allclose(statistics.cell_weights[0] @ values, log_zero(np.log(s)).sum(), rtol=1e-13)


@pytest.mark.parametrize(("width", "strip"), [(1.0, np.pi), (2.0, np.pi), (0.25, np.pi / 8)])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-8, 1e-13])
def test_the_number_of_nodes_meets_the_tolerance(
    width: float, strip: float, tolerance: float
) -> None:
    """log(1 + exp(a(v + u))) with a = π/strip has its singularities on the edge of the strip."""
    panels = Panels(width, nodes_for(width, strip, tolerance))
    v = np.linspace(0, width, 501)[:-1]
    errors = [
        np.abs(
            np.logaddexp(0, np.pi / strip * (v + u))
            - panels.basis(v, 0) @ np.logaddexp(0, np.pi / strip * (panels.at(0, 1) + u))
        ).max()
        for u in np.linspace(-3, 3, 25)
    ]
    assert tolerance / 1e3 < max(errors) < tolerance + 2e-14


def parts() -> list[CountStatistics]:
    """Three parts whose size factors and counts lie in different ranges."""
    made = []
    for shift, scale in ((3.0, 1), (-4.0, 300), (0.0, 40)):
        s = np.exp(shift + RNG.normal(0, 0.3, 50))
        x = RNG.poisson(scale, (50, 6)) * (RNG.random((50, 6)) < 0.5)
        groups = RNG.integers(0, 2, 50)
        statistics = CountStatistics(6, groups=2, zero_inflation=True)
        made.append(statistics.add(x, s, groups))
    return made


def test_parts_add_up_in_any_order() -> None:
    a, b, c = parts()
    one, other = (a + b + c).arrays(), (c + (b + a)).arrays()
    for name, array in one.items():
        assert_allclose(array, other[name], rtol=1e-14, atol=1e-12, err_msg=name)
    # The parts themselves stay as they were.
    assert a.nodes.size < (a + b).nodes.size
    assert_array_equal((a + CountStatistics(6, groups=2, zero_inflation=True)).totals, a.totals)


def test_groups_are_kept_apart() -> None:
    s, groups = np.exp(RNG.normal(0, 1, 80)), RNG.integers(0, 3, 80)
    x = RNG.poisson(2.0, (80, 5))
    whole = CountStatistics.of(x, s, groups)
    for group in range(3):
        alone = CountStatistics.of(x[groups == group], s[groups == group])
        assert whole.cells[group] == alone.cells[0]
        start = (alone.first_panel - whole.first_panel) * whole.panels.nodes
        own = slice(start, start + alone.nodes.size)
        weights = whole.count_weights[:, group, own]
        assert_allclose(weights, alone.count_weights[:, 0], rtol=0, atol=1e-13)
        assert_allclose(whole.count_factor_sums[:, group], alone.count_factor_sums[:, 0])


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
def test_every_kind_of_matrix_gives_the_same(kind: type) -> None:
    x, s = RNG.poisson(1.0, (40, 7)), np.exp(RNG.normal(0, 1, 40))
    expected, actual = CountStatistics.of(x, s).arrays(), CountStatistics.of(kind(x), s).arrays()
    for name, array in expected.items():
        assert_array_equal(actual[name], array, err_msg=name)


def test_saved_and_loaded(tmp_path: Path) -> None:
    whole = sum(parts()[1:], start=parts()[0])
    whole.save(tmp_path / "statistics.npz")
    loaded = CountStatistics.load(tmp_path / "statistics.npz")
    for name, array in whole.arrays().items():
        assert_array_equal(loaded.arrays()[name], array, err_msg=name)
    assert_array_equal(loaded.nodes, whole.nodes)


@pytest.mark.parametrize(
    ("counts", "factors", "says"),
    [
        (np.ones((2, 4)), np.ones(2), "4 columns, not 3"),
        (np.ones((2, 3)), np.ones(3), "one entry per row"),
        (np.full((2, 3), 0.5), np.ones(2), "whole numbers"),
        (np.full((2, 3), -1), np.ones(2), "whole numbers"),
        (np.full((2, 3), np.nan), np.ones(2), "whole numbers"),
        (np.ones((2, 3)), [1, -1], "not negative"),
        (np.ones((2, 3)), [1, np.inf], "finite"),
        (np.ones((2, 3)), [1, 0], "row 1 is 0"),
    ],
)
def test_bad_input_is_named(counts: Floats, factors: Floats, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        CountStatistics(3).add(counts, factors)


def test_other_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="integers from 0 to 1"):
        CountStatistics(3, groups=2).add(np.ones((2, 3)), np.ones(2), [0, 2])
    with pytest.raises(ValueError, match="cannot be added"):
        CountStatistics(3).merge(CountStatistics(4))
    with pytest.raises(ValueError, match="at least one gene"):
        CountStatistics(0)
