"""The door: every kind of data and design, and one clear message for each mistake."""

import subprocess
import sys
import tracemalloc
import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jaxnb import glm
from jaxnb.glm.counts import count_data
from jaxnb.glm.fit import default_dispersion
from jaxnb.glm.size_factors import size_factors_of

RNG = np.random.default_rng(2)
OBS = pd.DataFrame(
    {
        "condition": pd.Categorical(list("AAABBB") * 2, categories=["A", "B", "unused"]),
        "batch": list("xy") * 6,
        "age": np.linspace(20, 60, 12),
        "depth": np.round(np.exp(RNG.normal(0, 0.3, 12)), 4),
        "holes": [1.0, np.nan] * 6,
    },
    index=[f"s{i}" for i in range(12)],
)
COUNTS = RNG.negative_binomial(3, 0.05, (12, 30))
GENES = pd.Index([f"g{i}" for i in range(30)])
FRAME = pd.DataFrame(COUNTS, OBS.index, GENES)


def adata(x=COUNTS):
    return anndata.AnnData(x.astype(np.float32), OBS, pd.DataFrame(index=GENES))


def test_every_kind_of_data_gives_the_same():
    expected = glm.fit(FRAME, "~ batch + condition", obs=OBS, size_factors="depth")
    assert expected.coefficients.columns.tolist() == ["Intercept", "batch[T.y]", "condition[T.B]"]
    assert expected.coefficients.index.equals(GENES)
    assert expected.dispersion_method == "cox-reid"
    layered = adata(COUNTS / 7)
    layered.layers["counts"] = sparse.csr_matrix(COUNTS)
    layered.raw = adata()
    design = pd.DataFrame(
        {"one": 1, "y": OBS["batch"] == "y", "B": OBS["condition"] == "B"}, dtype=float
    )
    formula, depth = "~ batch + condition", OBS["depth"].to_numpy()
    others = [
        glm.fit(adata(), formula, size_factors="depth"),
        glm.fit(layered, formula, layer="counts", size_factors="depth"),
        glm.fit(layered, formula, layer="raw", size_factors="depth"),
        glm.fit(sparse.csc_matrix(COUNTS), formula, obs=OBS, size_factors=depth),
        glm.fit(COUNTS, formula, obs=OBS, size_factors=OBS["depth"]),
        glm.fit(COUNTS, design, size_factors=depth),
        glm.fit(COUNTS, design.to_numpy(), size_factors=depth),
    ]
    for fit in others:
        np.testing.assert_array_equal(fit.coefficients, expected.coefficients)
        np.testing.assert_array_equal(fit.standard_errors, expected.standard_errors)
        np.testing.assert_array_equal(fit.dispersion, expected.dispersion)
        np.testing.assert_array_equal(fit.log_likelihood, expected.log_likelihood)
    assert others[-1].coefficients.columns.tolist() == ["x0", "x1", "x2"]


def test_size_factors():
    totals = COUNTS.sum(axis=1)
    fit = glm.fit(FRAME, "~ condition", obs=OBS, size_factors="total")
    np.testing.assert_allclose(fit.size_factors, totals / totals.mean())
    assert fit.size_factors_from == "total"
    ratios = glm.fit(FRAME, "~ condition", obs=OBS, size_factors="median-ratio").size_factors
    everywhere = COUNTS[:, (COUNTS > 0).all(axis=0)]
    logs = np.log(everywhere)
    expected = np.exp(np.median(logs - logs.mean(axis=0), axis=1))
    geometric_mean = np.exp(np.log(expected).mean())
    np.testing.assert_allclose(ratios, expected / geometric_mean, rtol=1e-12)


@pytest.mark.parametrize(("genes", "default"), [(99, "total"), (100, "median-ratio")])
def test_median_ratios_are_the_default_where_enough_genes_have_counts(genes, default):
    counts = np.ones((4, 120), int)
    counts[np.arange(genes, 120) % 4, np.arange(genes, 120)] = 0
    _, how = size_factors_of(count_data(counts, obs=OBS[:4]), None)
    assert how == default


@pytest.mark.parametrize(
    ("rows", "genes", "method"),
    [(99, 50, "shrunken"), (100, 50, "cox-reid"), (99, 49, "cox-reid"), (3, 60_000, "shrunken")],
)
def test_dispersions_are_shrunken_by_default_with_few_rows_and_enough_genes(rows, genes, method):
    assert default_dispersion(rows, genes) == method


def test_statuses_and_no_unexplained_nan():
    counts = COUNTS.copy()
    counts[:, 0] = 0
    counts[OBS["condition"] == "B", 1] = 0
    counts[:, 2] = 5
    fit = glm.fit(counts, "~ condition", obs=OBS, size_factors=np.ones(12))
    assert fit.status.iloc[:4].tolist() == ["all zeros", "separated", "poisson", "converged"]
    assert fit.coefficients.iloc[1, 1] == -np.inf
    assert np.isnan(fit.standard_errors.iloc[1, 1])
    assert np.isfinite(fit.standard_errors.iloc[1, 0])
    assert fit.dispersion.iloc[2] == 0
    # the mean of the other group is that of a fit to that group alone
    alone = glm.fit(counts[OBS["condition"] == "A"], np.ones((6, 1)), size_factors=np.ones(6))
    assert fit.coefficients.iloc[1, 0] == pytest.approx(alone.coefficients.iloc[1, 0], abs=1e-10)
    assert fit.log_likelihood.iloc[1] == pytest.approx(alone.log_likelihood.iloc[1], abs=1e-9)
    unexplained = fit.coefficients.isna().any(axis=1) & fit.status.isin(["converged", "poisson"])
    assert not unexplained.any()


@pytest.mark.slow
def test_auto_shrinks_with_few_rows_and_many_genes():
    counts = RNG.negative_binomial(3, 0.05, (8, 220))
    fit = glm.fit(
        counts, np.column_stack([np.ones(8), np.repeat([0, 1], 4)]), size_factors=np.ones(8)
    )
    assert fit.dispersion_method == "shrunken"
    assert fit.prior.trend(np.array([60.0]))[0] == pytest.approx(1 / 3, rel=0.3)
    own = glm.fit(counts, fit.design.matrix, size_factors=np.ones(8), dispersion="cox-reid")
    assert np.log(fit.dispersion).std() < 0.5 * np.log(own.dispersion + 1e-3).std()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"design": "~ condition + sex"}, ValueError, "uses sex; obs has condition, batch"),
        ({"design": "~ condition +"}, ValueError, "cannot be read"),
        ({"design": "g1 ~ condition"}, ValueError, "must begin with '~'"),
        ({"design": "~ 0"}, ValueError, "no coefficients"),
        ({"design": "~ holes"}, ValueError, r"obs\['holes'\] has 6 missing values.* row s1"),
        ({"design": np.ones((5, 1))}, ValueError, r"shape \(12, coefficients\)"),
        ({"design": np.full((12, 1), np.nan)}, ValueError, "'x0' of the design has a NaN"),
        ({"design": OBS[["batch"]]}, ValueError, "formula such as '~ batch"),
        (
            {"design": np.column_stack([np.ones(12), np.arange(12), np.arange(12) + 1])},
            ValueError,
            "columns x0, x1, x2 of the design depend on each other",
        ),
        ({"design": np.zeros((12, 1))}, ValueError, "'x0' of the design is zero"),
        ({"design": np.eye(12)}, ValueError, "12 rows for 12 coefficients.*replicates"),
        ({"design": np.ones((12, 13))}, ValueError, "12 rows for 13 coefficients.*replicates"),
        ({"design": np.ones((12, 0))}, ValueError, "has no coefficients: '~ 1' has one"),
        ({"data": FRAME.iloc[[0, 3]], "obs": OBS.iloc[[0, 3]]}, ValueError,
         r"2 rows for 2 coefficients \(Intercept, condition\[T.B\]\): .* from replicates"),
        ({"data": FRAME * 0}, ValueError, "row s0 has no counts"),
        ({"data": FRAME / 3}, ValueError, "look normalized or log-transformed"),
        ({"data": -FRAME}, ValueError, "must not be negative"),
        ({"data": FRAME.where(FRAME > 0, np.nan) + np.nan}, ValueError, "must be finite"),
        ({"data": FRAME.assign(g1="a")}, ValueError, "not numbers: g1"),
        ({"data": COUNTS.astype(object)}, ValueError, "must be numbers, not object"),
        ({"data": np.ma.masked_equal(COUNTS, COUNTS[2, 3])}, ValueError, "have masked entries"),
        ({"data": FRAME * 10**12}, ValueError, r"at most 2\*\*33: the largest"),
        ({"data": FRAME.iloc[:, :0]}, ValueError, r"rows .* and columns .*\(12, 0\)"),
        ({"data": FRAME, "layer": "counts"}, TypeError, "is for AnnData"),
        ({"data": adata(), "layer": "counts"}, ValueError, "no layer 'counts'; .* has none"),
        ({"data": adata(), "layer": "raw"}, ValueError, "no .raw"),
        ({"obs": OBS.iloc[:5]}, ValueError, "obs has 5 lines, the counts have 12"),
        ({"obs": OBS.iloc[::-1]}, ValueError, "another order"),
        ({"obs": {"a": 1}}, TypeError, "must be a pandas DataFrame"),
        ({"dispersion": "edgeR"}, ValueError, "none of 'auto', 'ml'"),
        ({"size_factors": "batch"}, ValueError, "must be numbers"),
        ({"size_factors": "holes"}, ValueError, "must be positive.* row s1"),
        ({"size_factors": "mean"}, ValueError, "none of 'total', .* nor a column"),
        ({"size_factors": [1, 2]}, ValueError, r"one entry per row, shape \(12,\)"),
        ({"size_factors": np.zeros(12)}, ValueError, "must be positive"),
        ({"data": FRAME * [0, *[1] * 29], "obs": OBS.assign(o="z"), "design": "~ o"}, ValueError,
         "is 'z' in all rows"),
        ({"data": FRAME.iloc[:, :1], "size_factors": "total"}, ValueError, "a single gene"),
    ],
)  # fmt: skip
def test_one_clear_message(changes, error, message):
    arguments = {"data": FRAME, "design": "~ condition", "obs": OBS} | changes
    if isinstance(arguments["data"], anndata.AnnData):
        arguments.pop("obs")
    with pytest.raises(error, match=message):
        glm.fit(**arguments)


@pytest.mark.quick
def test_normalized_anndata_names_the_layer_with_counts():
    layered = adata(COUNTS / 7)
    layered.layers["raw_counts"] = COUNTS
    with pytest.raises(ValueError, match="layer='raw_counts' holds whole numbers"):
        glm.fit(layered, "~ condition")


def test_median_ratio_without_common_genes_says_so():
    counts = np.kron(np.eye(2, dtype=int), np.full((6, 15), 3))
    with pytest.raises(ValueError, match="use 'total'"):
        glm.fit(counts, "~ condition", obs=OBS, size_factors="median-ratio")


# As an error, for the fit that would follow takes long to compile.
@pytest.mark.filterwarnings("error")
def test_few_genes_warn():
    with pytest.raises(UserWarning, match="only 5 genes"):
        glm.fit(FRAME.iloc[:, :5], "~ condition", obs=OBS, size_factors="total")


def test_a_row_without_counts_is_named():
    with pytest.raises(ValueError, match="row s3 has no counts"):
        glm.fit(FRAME.mul(np.arange(12) != 3, axis=0), "~ condition", obs=OBS, size_factors="total")


def test_a_contrast_with_a_level_that_no_row_has():
    fit = glm.fit(FRAME, "~ condition", obs=OBS, size_factors="depth")
    with pytest.raises(ValueError, match="no 'unused', only A, B"):
        fit.test("condition", "unused", "A")


def test_import_is_light():
    code = "import sys, jaxnb; assert not {'pandas', 'formulaic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        repr(glm.fit(FRAME, "~ batch + condition", obs=OBS))


@pytest.mark.slow
def test_many_distinct_rows_take_little_memory():
    """Rank and separation of a design with a covariate: nothing is square in the rows."""
    rows = 20_000  # a square matrix would be 3.2 GB
    age = np.linspace(-1, 1, rows)
    spread = RNG.choice(rows, 12, replace=False)
    where = np.append(spread, 0), np.append(np.zeros(12, int), 1)
    counts = sparse.csc_array((np.ones(13), where), shape=(rows, 2))
    tracemalloc.start()
    fit = glm.fit(counts, np.column_stack([np.ones(rows), age]), size_factors=np.ones(rows))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert fit.status.tolist()[1] == "separated"
    assert fit.coefficients.iloc[1, 1] == -np.inf
    assert peak < 200e6


def test_summaries_of_reads_are_no_genes():
    counts = pd.DataFrame([[3, 7], [2, 9]], ["a", "b"], ["gene", "__no_feature"])
    with pytest.warns(UserWarning, match="__no_feature: reads that are of no gene"):
        count_data(counts)
