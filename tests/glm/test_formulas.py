"""Formulas as users write them: transforms, odd names, numbers that are groups, and contrasts."""

import pickle

import numpy as np
import pandas as pd
import pytest

from jaxnb import glm
from jaxnb.data.labels import aligned
from jaxnb.glm.contrasts import contrast_of
from jaxnb.glm.design import design_of

RNG = np.random.default_rng(8)
OBS = pd.DataFrame(
    {
        "age": np.round(RNG.uniform(20, 60, 16), 1),
        "group": np.repeat([1, 2, 3, 4], 4),
        "dose": np.tile([0, 1], 8),
        "Treatment": list("ab") * 8,
        "C": list("aabb") * 4,
        "scale": RNG.normal(size=16),
        "cell-type": list("aabb") * 4,
        "orig.ident": list("aabbccdd") * 2,
        "sex": pd.array(list("fm") * 8, dtype="string"),
        "batch": pd.array(np.tile([1, 2, 3, 4], 4), dtype="Int64"),
        "smoker": pd.array([True, False] * 8, dtype="boolean"),
    },
    index=[f"s{i}" for i in range(16)],
)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("formula", "columns"),
    [
        ("~ poly(age, 2)", 3),
        ("~ bs(age, df=4)", 5),
        ("~ cr(age, df=3, constraints='center')", 4),
        ("~ center(age) + np.log(age)", 3),
        ("~ C(group)", 4),
        ("~ C(group, Treatment(2))", 4),
        ("~ C(batch)", 4),
        ("~ `cell-type` + Q('sex')", 3),
        ("~ orig.ident", 4),
        ("~ sex * age", 4),
        ("~ smoker", 2),
    ],
)
def test_transforms_and_dtypes_of_pandas(formula, columns):
    obs = OBS.drop(columns=["C", "scale", "Treatment"])
    design = design_of(formula, obs)
    assert design.matrix.shape == (16, columns)
    # the columns that are named like the functions are left alone
    np.testing.assert_array_equal(design_of(formula, OBS).matrix, design.matrix)
    again = pickle.loads(pickle.dumps(design))
    np.testing.assert_array_equal(again.matrix, design.matrix)


@pytest.mark.quick
@pytest.mark.parametrize("name", ["Treatment", "C", "scale"])
def test_columns_that_are_named_like_functions(name):
    plain = design_of("~ column + age", OBS.rename(columns={name: "column"}))
    np.testing.assert_array_equal(design_of(f"~ {name} + age", OBS).matrix, plain.matrix)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("~ C(C)", "C is a column of obs and a function: rename the column"),
        ("~ cell-type", "uses cell; obs has .*: write `cell-type` in backticks"),
        ("~ poly(weight, 2)", "uses weight; obs has age"),
        ("~ sqrt(age)", "calls sqrt; the functions of formulas are"),
        ("~ age | sex", "must have one part"),
        ("~ age +* 3", r"Operator `\+\*` is incorrectly used\. ~ age"),
        ("~ cr(age, df=3)", "constraints='center'"),
        ("~ poly(age, 2) + holes", r"obs\['holes'\] has 16 missing values"),
        ("~ poly(holes, 2)", r"obs\['holes'\] has 16 missing values"),
    ],
)
def test_one_clear_line(formula, message):
    with pytest.raises(ValueError, match=message) as caught:
        design_of(formula, OBS.assign(holes=np.nan))
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("always")
def test_whole_numbers_and_levels_that_look_alike_are_told(recwarn):
    obs = OBS.assign(condition=["A", "A ", "b", "B"] * 4, year=np.arange(2000, 2016))
    design_of("~ dose + year + age + C(group)", obs)
    design_of("~ poly(batch, 2)", obs)
    assert not recwarn.list
    design_of("~ group", obs)
    assert "whole numbers 1, 2, 3, 4 and is taken as a number" in str(recwarn.pop().message)
    design_of("~ condition", obs)
    told = [str(entry.message) for entry in recwarn.list]
    assert "'A' and 'A ', which differ in blanks" in told[0]
    assert "'b' and 'B', which differ in blanks" in told[1]


def test_a_design_says_what_it_takes_the_columns_for():
    obs = OBS.assign(condition=["A", "A", "A ", "B"] * 4)
    with pytest.warns(UserWarning, match="blanks"):
        described = design_of("~ age + condition + smoker", obs).described()
    assert described == [
        "5 coefficients: Intercept, age, condition[T.A ], condition[T.B], smoker",
        f"age, a number from {OBS['age'].min():g} to {OBS['age'].max():g}",
        "condition, rows per level: A 8, 'A ' 4, B 4",
        "smoker, rows per level: False 8, True 8",
    ]


@pytest.mark.quick
@pytest.mark.parametrize(
    ("formula", "asked", "vector", "words"),
    [
        ("~ dose", ("dose", "1", "0"), [0, 1], "dose: 1 over 0"),
        ("~ age", ("age", "60", "30"), [0, 30], "age: 60 over 30"),
        ("~ C(group)", ("group", "3", "1"), [0, 0, 1, 0], "group: 3 over 1"),
        ("~ C(group)", ("group", 3, 2), [0, -1, 1, 0], "group: 3 over 2"),
        ("~ smoker", ("smoker", "True", "False"), [0, 1], "smoker: True over False"),
        ("~ sex*age", ("age",), [0, 0, 1, 0], "age where sex is f"),
        ("~ sex*age", ("sex[T.m]",), [0, 1, 0, 0], "sex[T.m] where age is 0"),
        ("~ sex*age", ("Intercept",), [1, 0, 0, 0], "Intercept"),
        ("~ sex*age", ("sex[T.m]:age",), [0, 0, 0, 1], "sex[T.m]:age"),
        ("~ sex*scale + age", ("age",), [0, 0, 0, 1, 0], "age"),
        (
            "~ C(sex, contr.sum)*age",
            ("age",),
            [0, 0, 1, 0],
            "age where C(sex, contr.sum)[S.f]:age are 0",
        ),
    ],
)
def test_contrasts_of_numbers_of_levels_and_beside_interactions(formula, asked, vector, words):
    found = contrast_of(design_of(formula, OBS), *asked)
    np.testing.assert_allclose(found.vector, vector, atol=1e-12)
    assert found.words == words


@pytest.mark.parametrize(
    ("formula", "asked", "message"),
    [
        ("~ C(group)", ("group", 3, 99), "group has no 99, only 1, 2, 3, 4"),
        ("~ C(group)", ("group",), r"as in test\('group', 2, 1\)"),
        ("~ age", ("age", "old", "young"), "age is a number in this design, not 'old'"),
        ("~ bs(age, df=4)", ("age", 45, 1000), "cannot be applied where age is 1000"),
        ("~ poly(age, 2)", ("age",), "'age' has several coefficients"),
    ],
)
def test_contrasts_that_there_are_not(formula, asked, message):
    with pytest.raises(ValueError, match=message):
        contrast_of(design_of(formula, OBS), *asked)


@pytest.mark.quick
def test_labels_put_lines_into_the_order_of_the_rows():
    factors = pd.Series(np.arange(16.0), OBS.index)
    backward = factors.iloc[::-1]
    np.testing.assert_array_equal(aligned(backward, OBS.index, "factors"), factors)
    numbered = factors.reset_index(drop=True)
    np.testing.assert_array_equal(aligned(numbered, OBS.index, "factors"), factors)
    np.testing.assert_array_equal(aligned(numbered.iloc[::-1], numbered.index, "factors"), factors)
    for wrong in (factors.rename("x{}".format), factors.rename({"s1": "s0"})):
        with pytest.raises(ValueError, match="labels of factors are not those of the rows"):
            aligned(wrong, OBS.index, "factors")
    design = pd.DataFrame({"one": 1.0, "age": OBS["age"]})
    np.testing.assert_array_equal(design_of(design.iloc[::-1], OBS).matrix, design)


@pytest.mark.slow
def test_shuffled_size_factors_nullable_counts_and_pickled_fits():
    counts = pd.DataFrame(RNG.negative_binomial(3, 0.05, (16, 30)), OBS.index)
    factors = pd.Series(np.exp(RNG.normal(0, 0.3, 16)), OBS.index)
    fit = glm.fit(counts, "~ sex", obs=OBS, size_factors=factors)
    shuffled = glm.fit(counts, "~ sex", obs=OBS, size_factors=factors.sample(frac=1))
    pd.testing.assert_frame_equal(shuffled.coefficients, fit.coefficients)
    nullable = glm.fit(counts.astype("Int64"), "~ sex", obs=OBS, size_factors=factors)
    pd.testing.assert_frame_equal(nullable.coefficients, fit.coefficients)
    again = pickle.loads(pickle.dumps(fit))
    pd.testing.assert_frame_equal(again.test("sex", "m", "f"), fit.test("sex", "m", "f"), rtol=1e-6)
    counts = counts.astype("Int64")
    counts.iloc[0, 0] = pd.NA
    with pytest.raises(ValueError, match="must be finite"):
        glm.fit(counts, "~ sex", obs=OBS, size_factors=factors)
