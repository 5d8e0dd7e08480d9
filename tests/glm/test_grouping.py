"""Rows that agree in some labels."""

import numpy as np
import pandas as pd
import pytest

from jaxnb.glm.grouping import groups_of

DESIGN = np.array([[1, 0.0], [1, -0.0], [1, 2.5], [0, 2.5], [1, 0]])
NAMES = pd.Series(["b", "a", "b", "b", "b"])


@pytest.mark.quick
def test_rows_of_a_design_and_labels():
    assert groups_of(DESIGN).of_row.tolist() == [1, 1, 2, 0, 1]
    assert groups_of(DESIGN).first.tolist() == [3, 0, 2]
    both = groups_of(NAMES, DESIGN)
    assert both.of_row.tolist() == [2, 0, 3, 1, 2]
    assert both.first.tolist() == [1, 3, 0, 2]
    levels = pd.Categorical(NAMES, ["b", "c", "a"])
    assert groups_of(levels).of_row.tolist() == [0, 1, 0, 0, 0]
    frame = pd.DataFrame({"name": NAMES, "x": DESIGN[:, 1]})
    assert groups_of(frame).of_row.tolist() == [1, 0, 2, 2, 1]


def test_the_rows_of_a_group_are_alike():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (500, 6))
    of_row, first = groups_of(labels)
    assert np.array_equal(labels[first[of_row]], labels)
    assert len(first) == len(np.unique(labels, axis=0)) == of_row.max() + 1


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ((), "labels of no rows"),
        (([1, 2], [1, 2, 3]), "labels of 2, 3 rows"),
        ((["a", None, "b"],), "row 1 has no label"),
        (([1.0, np.nan],), "row 1 has no label"),
    ],
)
def test_one_clear_message(labels, message):
    with pytest.raises(ValueError, match=message):
        groups_of(*labels)
