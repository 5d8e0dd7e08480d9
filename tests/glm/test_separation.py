"""Separated rows and the coefficients that they make infinite."""

import numpy as np
import pytest

from jaxnb.glm.separation import find_separation, limits_of

GROUPS = np.array([[1.0, 0, 0], [1, 1, 0], [1, 0, 1]])
INF = np.inf


@pytest.mark.parametrize(
    ("positive", "kept", "limits"),
    [
        ([1, 1, 1], [1, 1, 1], [0, 0, 0]),
        ([1, 1, 0], [1, 1, 0], [0, 0, -INF]),
        ([1, 0, 0], [1, 0, 0], [0, -INF, -INF]),
        # the reference level is empty: everything is infinitely more than it
        ([0, 1, 1], [0, 1, 1], [-INF, INF, INF]),
        ([0, 1, 0], [0, 1, 0], [-INF, INF, np.nan]),
        ([0, 0, 0], [0, 0, 0], [-INF, np.nan, np.nan]),
    ],
)
def test_groups(positive, kept, limits):
    found = find_separation(GROUPS, np.array([positive], bool))
    np.testing.assert_array_equal(found.kept[0], np.array(kept, bool))
    np.testing.assert_array_equal(found.limits[0], limits)
    assert found.free[0].sum() == np.linalg.matrix_rank(GROUPS * found.kept[0][:, None])


def test_two_levels_that_are_both_infinite_may_differ_finitely():
    found = find_separation(GROUPS, np.array([[0, 1, 1]], bool))
    assert limits_of(np.array([0.0, 1, -1]), GROUPS, found) == [0]
    assert limits_of(np.array([0.0, 1, 0]), GROUPS, found) == [INF]


def test_a_row_without_counts_does_not_separate_in_an_additive_design():
    crossed = np.array([[1.0, a, b] for a in (0, 1) for b in (0, 1)])
    found = find_separation(crossed, np.array([[1, 1, 1, 0], [1, 1, 0, 0], [0, 1, 1, 1]], bool))
    np.testing.assert_array_equal(found.kept, [[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1]])
    np.testing.assert_array_equal(found.limits, [[0, 0, 0], [0, -INF, 0], [0, 0, 0]])


def test_a_covariate_beyond_which_there_are_no_counts():
    ages = np.column_stack([np.ones(6), np.arange(6.0)])
    positive = np.array([[1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0]], bool)
    found = find_separation(ages, positive)
    # counts at the youngest alone: the coefficient falls to -inf; amid the ages it does not
    np.testing.assert_array_equal(found.kept, [[1, 0, 0, 0, 0, 0], [1] * 6, [1] * 6])
    np.testing.assert_array_equal(found.limits, [[0, -INF], [0, 0], [0, 0]])


@pytest.mark.quick
def test_the_largest_set_is_found():
    """No direction lowers what is kept, and one lowers all that is separated."""
    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(30), rng.normal(size=(30, 3))])
    positive = rng.random((40, 30)) < 0.06
    found = find_separation(design, positive)
    assert 5 < (~found.kept.all(axis=1)).sum() < 40
    for kept, counts in zip(found.kept, positive, strict=True):
        assert np.all(kept[counts])
        if not kept.any():
            continue
        again = find_separation(design[kept][:, _independent(design[kept])], counts[None, kept])
        assert again.kept.all()


@pytest.mark.quick
def test_rows_without_weight_restrict_nothing():
    """What is found is that of the design without these rows."""
    rng = np.random.default_rng(1)
    design = np.column_stack([np.ones(9), np.arange(9) % 3 == 0, rng.normal(size=9)])
    positive, present = rng.random((60, 9)) < 0.3, rng.random((60, 9)) < 0.8
    present &= np.array([np.linalg.matrix_rank(design[row]) == 3 for row in present])[:, None]
    present |= ~present.any(axis=1, keepdims=True)
    positive &= present
    contrast = np.array([0.5, 1.0, -1.0])
    found = find_separation(design, positive, present)
    limits = limits_of(contrast, design, found)
    for gene, there in enumerate(present):
        alone = find_separation(design[there], positive[[gene]][:, there])
        np.testing.assert_array_equal(found.kept[gene, there], alone.kept[0])
        assert found.kept[gene, ~there].all()
        np.testing.assert_array_equal(found.free[gene], alone.free[0])
        np.testing.assert_array_equal(found.limits[gene], alone.limits[0])
        np.testing.assert_array_equal(limits[gene], limits_of(contrast, design[there], alone)[0])


def _independent(rows):
    chosen = []
    for column in range(rows.shape[1]):
        if np.linalg.matrix_rank(rows[:, [*chosen, column]]) == len(chosen) + 1:
            chosen.append(column)
    return chosen
