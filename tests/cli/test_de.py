"""The command ``de`` from end to end."""

import numpy as np
import pandas as pd
import pytest

from jaxnb.cli import main


@pytest.fixture
def inputs(tmp_path):
    """Counts in one file and what is known of the samples, in another order, in a second."""
    rng = np.random.default_rng(1)
    samples = [f"s{i}" for i in range(12)]
    condition = np.repeat(["A", "B"], 6)
    mean = np.where((condition == "B")[:, None] & (np.arange(30) < 3), 800.0, 100.0)
    counts = rng.poisson(rng.gamma(10, 0.1, mean.shape) * mean)
    counts[:, 29] = 0
    frame = pd.DataFrame(counts, samples, [f"gene{j}" for j in range(30)])
    frame.to_csv(tmp_path / "counts.csv", index_label="sample")
    obs = pd.DataFrame({"condition": condition, "batch": list("xyz") * 4}, samples)
    obs["donor"] = np.repeat([f"d{i}" for i in range(6)], 2)
    obs.iloc[::-1].to_csv(tmp_path / "samples.csv")
    return tmp_path


@pytest.fixture
def de(inputs, folder, capsys):
    def call(*words):
        arguments = [inputs / "counts.csv", "--obs", inputs / "samples.csv", *words]
        status = main(["de", *map(str, arguments)])
        return status, capsys.readouterr()

    return call


def test_table_pictures_and_words(de, folder):
    status, printed = de("--design", "~ batch + condition", "--contrast", "condition,B,A",
                         "--size-factors", "none", "--out", "r.csv")  # fmt: skip
    assert status == 0
    assert {file.name for file in folder.iterdir()} == {"r.csv", "r.png", "r_dispersion.png"}
    table = pd.read_csv(folder / "r.csv", index_col="gene")
    assert len(table) == 30
    assert (table["p_adjusted"] < 0.05).sum() == 3
    np.testing.assert_allclose(table["log2_fold_change"].iloc[:3], 3, atol=0.7)
    assert table.loc["gene29", "status"] == "all zeros"
    assert "condition: B over A" in printed.out
    assert "3 of 30 genes differ at a false discovery rate of 5%, 3 up and 0 down" in printed.out
    assert "next:" in printed.out
    assert "the rows of one donor are not replicates" in printed.err


def test_reduced_design_and_pdf(de, folder):
    status, printed = de("--design", "~ batch + condition", "--reduced", "~ batch",
                         "--size-factors", "none", "--out", "none", "--plot", "p.pdf")  # fmt: skip
    assert status == 0
    assert [file.name for file in folder.iterdir()] == ["p.pdf"]
    assert "gene1" in printed.out


def test_several_contrasts_a_reference_and_a_threshold(de, folder):
    status, printed = de("--design", "~ batch + condition", "--contrast", "condition,B,A",
                         "--contrast", "batch[T.x] - batch[T.z]", "--reference", "batch=y",
                         "--threshold", "2", "--size-factors", "none", "--plot", "none",
                         "--out", "r.csv")  # fmt: skip
    assert status == 0
    table = pd.read_csv(folder / "r.csv")
    assert table.columns[:3].tolist() == ["gene", "contrast", "mean"]
    assert table["contrast"].unique().tolist() == [
        "condition: B over A, |log2 fold change| > 2",
        "batch[T.x] - batch[T.z], |log2 fold change| > 2",
    ]
    found = table.groupby("contrast")["p_adjusted"].apply(lambda p: int((p < 0.05).sum()))
    assert found.tolist() == [0, 3]  # alphabetical
    assert "batch, rows per level: y 4, x 4, z 4" in printed.out


def test_pseudobulk(de, folder):
    status, printed = de("--design", "~ condition", "--test", "condition", "--pseudobulk", "donor",
                         "--plot", "none", "--size-factors", "none")  # fmt: skip
    assert status == 2
    assert "no group has 10 cells: the largest has 2" in printed.err
    assert not list(folder.iterdir())


@pytest.mark.quick
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--contrast", "condition,B,A"], "say what may matter: --design"),
        (["--design", "~ condition"], "say what to test, one of --contrast"),
        (["--design", "~ condition", "--test", "condition", "--reduced", "~ 1"], "one of --contra"),
        (["--design", "~ condition", "--contrast", "condition"], "must be FACTOR,B,A"),
        (["--design", "~ 1", "--test", "Intercept", "--reference", "batch=q"], "batch has x, y, z"),
        (["--design", "~ 1", "--test", "Intercept", "--reference", "x"], "must be FIELD=LEVEL"),
        (["--design", "~ batch", "--reduced", "~ 1", "--threshold", "1"], "is for one contrast"),
        (["--design", "~ sex", "--test", "sex"], "uses sex; obs has condition, batch, donor"),
        (["--design", "~ donor + condition", "--test", "condition"], "depend on each other"),
        (["--design", "~ condition", "--contrast", "condition,C,A"], "no 'C', only A, B"),
        (["--design", "~ 1", "--test", "Intercept", "--size-factors", "obs:no"], "no such field"),
        (["--design", "~ 1", "--test", "Intercept", "--size-factors", "no.txt"], "cannot be read"),
        (["--design", "~ 1", "--test", "Intercept", "--plot", "p.doc"], "not a kind of figure"),
    ],
)
def test_one_line_for_each_mistake(de, folder, words, message):
    status, printed = de(*words)
    assert status == 2
    last = printed.err.strip().splitlines()[-1]
    assert last.startswith("jaxnb: error: ")
    assert message in last
    assert not list(folder.iterdir())


def altered(file, change):
    """Rewrite a table with what a function makes of it."""
    change(pd.read_csv(file, index_col=0)).to_csv(file)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("counts", lambda table: np.log1p(table), "normalized"),
        ("counts", lambda table: table * 0, "all counts are zero"),
        ("counts", lambda table: table.iloc[[0, 6]], "2 rows for 2 coefficients"),
        ("samples", lambda table: table.replace({"condition": {"B": None}}), "6 missing values"),
        ("samples", lambda table: table.assign(condition="A"), "is 'A' in all rows"),
    ],
)
def test_one_line_for_each_mistake_in_the_files(de, inputs, folder, name, change, message):
    altered(inputs / f"{name}.csv", change)
    status, printed = de("--design", "~ condition", "--test", "condition")
    assert status == 2
    last = printed.err.strip().splitlines()[-1]
    assert last.startswith("jaxnb: error: ")
    assert message in last
    assert not list(folder.iterdir())


def test_obs_without_a_sample(de, inputs):
    lines = (inputs / "samples.csv").read_text().splitlines()
    (inputs / "samples.csv").write_text("\n".join(lines[:-1]))
    status, printed = de("--design", "~ condition", "--test", "condition")
    assert status == 2
    assert "has no line for s0 (1 of 12 rows)" in printed.err


def test_help_says_what_the_columns_are(capsys):
    with pytest.raises(SystemExit):
        main(["de", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "the p-values of the other tests do not follow from it" in text
    assert "shrunken with fewer than 100 rows and at least 50 genes" in text
