"""Row totals as size factors: right with many columns, and a word where they are not."""

import warnings

import numpy as np
import pytest
from scipy import sparse

from jaxnb.fit import fit_nb
from jaxnb.fit.size_factors import default_size_factors, dominating_column

# As many rows as the bundled data have, for the same compiled program.
ROWS, MEAN, THETA = 700, 4.0, 2.0


def simulated(columns: int) -> np.ndarray:
    rng = np.random.default_rng(columns)
    return rng.negative_binomial(THETA, THETA / (THETA + MEAN), (ROWS, columns))


@pytest.mark.parametrize("columns", [2, 5, 20, 100, 500])
def test_no_wrong_theta_without_a_warning(columns: int) -> None:
    counts = simulated(columns)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        factors = default_size_factors(counts)
    np.testing.assert_allclose(factors, counts.sum(axis=1) / counts.sum(axis=1).mean())
    # Eight columns at a time, for one compiled program; medians, because every theta is noisy.
    theta = np.median(fit_nb(np.resize(counts.T, (8, ROWS)).T, factors).theta)
    expected = THETA / (1 - 1 / columns) ** 2
    assert bool(caught) == (columns <= 20)
    assert theta == pytest.approx(expected, rel=0.3 if columns == 2 else 0.1)
    if not caught:
        assert theta == pytest.approx(THETA, rel=0.1)


def test_one_column_is_an_error_that_names_the_choices() -> None:
    with pytest.raises(ValueError, match="one column only") as raised:
        default_size_factors(simulated(1))
    for choice in ('size_factors="ones"', "an array", "total counts over all genes"):
        assert choice in str(raised.value)


def test_the_column_is_named_with_what_it_does_to_theta() -> None:
    counts = np.ones((100, 400), int)
    counts[:, 3] = 40
    with pytest.warns(UserWarning, match=r"'MALAT1' is 9% of all counts, .* about 1.2 times"):
        default_size_factors(counts, ["MALAT1" if at == 3 else "G" for at in range(400)])
    with pytest.warns(UserWarning, match=r"column 3 is 9% of all counts, and"):
        default_size_factors(counts)
    with pytest.warns(UserWarning, match=r"only 5 columns.* about 1.\d times"):
        default_size_factors(simulated(5))


def test_a_gene_of_a_rare_kind_of_cells() -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.5, (1000, 300))
    assert dominating_column(counts) is None
    counts[:, 7] = 0
    counts[:5, 7] = 400
    found = dominating_column(sparse.csc_array(counts))
    assert found is not None
    assert found.column == 7
    assert found.share < 0.02
    assert found.share_where_counted == pytest.approx(400 / 550, rel=0.05)
    with pytest.warns(UserWarning, match="'HBB' is 7.% of the total of those rows"):
        default_size_factors(counts, [f"G{at}" if at != 7 else "HBB" for at in range(300)])


def test_no_counts_at_all() -> None:
    np.testing.assert_array_equal(default_size_factors(np.zeros((3, 4))), [1, 1, 1])
    np.testing.assert_array_equal(default_size_factors(sparse.csr_array((3, 4))), [1, 1, 1])


def test_rows_without_counts() -> None:
    counts = np.ones((4, 30))
    counts[2] = 0
    np.testing.assert_allclose(default_size_factors(counts), [4 / 3, 4 / 3, 0, 4 / 3])
