"""Genes without enough counts: which they are, and that nothing is learned from them."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from jaxnb import glm
from jaxnb.glm.low_counts import enough_counts, rows_needed
from jaxnb.glm.quasi_likelihood import learn_quasi_prior

RNG = np.random.default_rng(3)
ONES = np.ones((12, 1))
GROUPS = np.column_stack([np.ones(12), np.arange(12) < 4])
COUNTS = RNG.negative_binomial(3, 0.05, (12, 30))
COUNTS[:, 20:] = RNG.poisson(1, (12, 10))
FACTORS = np.exp(RNG.normal(0, 0.3, 12))


@pytest.mark.quick
@pytest.mark.parametrize(
    ("design", "rows"),
    [
        (ONES[:8], 8),
        (ONES, 10 + 0.7 * 2),
        (GROUPS, 4),
        (np.column_stack([np.ones(50), np.arange(50) < 20]), 10 + 0.7 * 10),
        (np.column_stack([np.ones(3), [0, 1, 3]]), 1 / (1 / 3 + 25 / 42)),
    ],
)
def test_rows_are_those_of_the_smallest_group_or_the_inverse_leverage(design, rows):
    assert rows_needed(np.asarray(design, float)) == pytest.approx(rows, rel=1e-12)


@pytest.mark.quick
def test_the_rule_as_it_is_published():
    """Counts per million above that of 10 in the median row, in as many rows; and 15 in all."""
    sizes = 1e6 * FACTORS
    counts = RNG.poisson(np.exp(RNG.uniform(-1, 5, 400)) * FACTORS[:, None])
    counts[:, 0] = np.append([14], np.zeros(11))
    counts[:, 1] = 0
    per_million = 1e6 * counts / sizes[:, None]
    high = (per_million >= 10 / np.median(sizes) * 1e6).sum(axis=0)
    expected = (high >= 4) & (counts.sum(axis=0) >= 15)
    found = enough_counts(sparse.csc_array(counts), GROUPS.astype(float), FACTORS)
    np.testing.assert_array_equal(found, expected)
    assert 50 < found.sum() < 350
    # a count of exactly 10 in rows of median size is enough, 9 is not
    border = sparse.csc_array(np.repeat([[10, 9]], 12, axis=0))
    np.testing.assert_array_equal(enough_counts(border, ONES, np.ones(12)), [True, False])


def test_other_genes_decide_priors_and_adjusted_p_values():
    obs = pd.DataFrame({"group": np.where(GROUPS[:, 1], "B", "A")})
    fit = glm.fit(COUNTS, "~ group", obs=obs, size_factors=np.ones(12), filter_low=True)
    enough = fit.enough_counts
    assert enough is not None
    np.testing.assert_array_equal(np.flatnonzero(enough), np.arange(20))
    table = fit.test("group", "B", "A")
    assert table["p_value"].notna().all()
    assert table["p_adjusted"][~enough].isna().all()
    np.testing.assert_allclose(
        table["p_adjusted"][enough], stats.false_discovery_control(table["p_value"][enough])
    )
    assert set(table["status"][~enough]) == {"low counts"}
    plain = glm.fit(COUNTS, "~ group", obs=obs, size_factors=np.ones(12))
    every = plain.test("group", "B", "A")
    pd.testing.assert_series_equal(every["p_value"], table["p_value"])
    assert every["p_adjusted"].notna().all()
    assert "low counts" not in set(every["status"])


def test_a_prior_is_that_of_the_genes_it_is_learned_from():
    obs = pd.DataFrame({"group": np.where(GROUPS[:, 1], "B", "A")})
    words = {"obs": obs, "size_factors": np.ones(12), "dispersion": "shrunken"}
    with pytest.warns(UserWarning, match="learned from 20 genes is uncertain"):
        fit = glm.fit(COUNTS, "~ group", filter_low=True, **words)
    with pytest.warns(UserWarning, match="learned from 20 genes is uncertain"):
        alone = glm.fit(COUNTS[:, :20], "~ group", **words)
    np.testing.assert_allclose(fit.prior.heights, alone.prior.heights, rtol=1e-3)
    np.testing.assert_allclose(fit.dispersion[:20], alone.dispersion, rtol=1e-3)
    table, expected = (entry.test("group", "B", "A") for entry in (fit, alone))
    np.testing.assert_allclose(table["p_value"][:20], expected["p_value"], rtol=0.02)


@pytest.mark.quick
def test_quasi_dispersions_are_learned_from_some_genes():
    genes = 500
    phi = np.append(RNG.f(6, 5, genes), np.ones(genes))
    chosen, degrees = np.arange(2 * genes) < genes, np.full(2 * genes, 6.0)
    some = learn_quasi_prior(phi, degrees, chosen)
    alone = learn_quasi_prior(phi[:genes], degrees[:genes], chosen[:genes])
    assert some == alone
    every = learn_quasi_prior(phi, degrees, np.ones(2 * genes, bool))
    assert every.degrees > 1.5 * some.degrees


# As an error, for the fit that would follow takes long to compile.
@pytest.mark.filterwarnings("error")
def test_where_no_gene_has_enough_counts_all_are_taken():
    few = RNG.poisson(1, (12, 30)) + np.eye(12, 30, dtype=int)
    with pytest.raises(UserWarning, match=r"no gene has enough counts in 11\.4 rows"):
        glm.fit(few, ONES, size_factors=np.ones(12), filter_low=True)
