"""What ``de`` makes of the files and words that biologists give it, and the tables it writes."""

import gzip
import importlib.util
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jaxnb._errors import InputError
from jaxnb.cli import main
from jaxnb.cli.samples import obs_of
from jaxnb.cli.tables import check_table_name, stem_of_table, write_frame
from jaxnb.io import CountMatrix

SAMPLES = [f"s{i}" for i in range(12)]
RNG = np.random.default_rng(5)
COUNTS = pd.DataFrame(
    RNG.poisson(RNG.gamma(10, 10, (12, 30))), SAMPLES, [f"gene{j}" for j in range(30)]
)
COUNTS.loc[SAMPLES[6:], "gene1"] = 0
OBS = pd.DataFrame(
    {
        "condition": ["A"] * 6 + ["B, late"] * 6,
        "patient": ["001", "002", "003", "010"] * 3,
        "batch": [1, 2, 3, 4] * 3,
        "dose": np.linspace(0, 1.1, 12),
    },
    SAMPLES,
)


@pytest.fixture
def de(tmp_path, folder, capsys):
    """Run ``de`` without pictures on the counts and samples, or others."""

    def call(*words, counts=COUNTS, obs=OBS, out="none"):
        counts.to_csv(tmp_path / "counts.csv", index_label="sample")
        obs.to_csv(tmp_path / "samples.csv", index_label="sample")
        arguments = [tmp_path / "counts.csv", "--obs", tmp_path / "samples.csv", *words]
        common = ["--size-factors", "none"] if "--size-factors" not in words else []
        common += ["--plot", "none", "--out", out]
        status = main(["de", *map(str, arguments), *common])
        return status, capsys.readouterr()

    return call


def test_the_design_is_printed_and_levels_may_have_commas(de, folder):
    status, printed = de("--design", "~ condition", "--contrast", 'condition,"B, late",A',
                         "--method", "wald", out="r.tsv")  # fmt: skip
    assert status == 0
    assert "  2 coefficients: Intercept, condition[T.B, late]\n" in printed.out
    assert "  condition, rows per level: A 6, B, late 6\n" in printed.out
    assert "condition: B, late over A: Wald test" in printed.out
    assert "with 12 rows the Wald test rejects too often" in printed.err
    assert "1 genes have no counts in a group, and so no Wald test" in printed.err
    table = pd.read_csv(folder / "r.tsv", index_col="gene", sep="\t")
    assert table.loc["gene1", "status"] == "separated"


@pytest.mark.slow
def test_a_contrast_may_be_a_sum_of_coefficients(de):
    groups = OBS.assign(group=list("xyz") * 4)
    question = "group[T.y] - group[T.z]"
    status, printed = de("--design", "~ group", "--contrast", question, obs=groups)
    assert status == 0
    assert f"{question}: likelihood-ratio test" in printed.out


@pytest.mark.quick
@pytest.mark.parametrize("separator", [",", "\t", ";", " "])
@pytest.mark.parametrize("title", [True, False])
def test_tables_of_samples(tmp_path, separator, title):
    obs = pd.DataFrame({"donor": ["01", "2"], "age": ["3", "4.5"], "yes": ["True", "False"]})
    obs["holes"] = ["", "7"]
    obs.index = ["001", "10"]
    header = separator.join([*(["name"] if title else []), *obs.columns])
    body = [
        separator.join(map(str, [name, *line]))
        for name, line in zip(obs.index, obs.to_numpy(), strict=True)
    ]
    if separator == " ":
        header, body = header.removesuffix(" holes"), [line.rsplit(" ", 1)[0] for line in body]
    file = tmp_path / "samples.txt"
    file.write_text("\n".join([header, *body]) + "\n")
    counts = sparse.csr_array(np.ones((2, 1)))
    data = CountMatrix(
        counts, np.array(["10", "001"]), np.array(["g"]), {"age": [0, 0]}, {}, "", (), ()
    )
    found = obs_of(str(file), data)
    assert found.index.tolist() == ["10", "001"]
    assert found["donor"].tolist() == ["2", "01"]
    assert found["age"].tolist() == [4.5, 3.0]
    assert found["yes"].tolist() == [False, True]
    if separator != " ":
        np.testing.assert_array_equal(found["holes"], [7.0, np.nan])


@pytest.mark.slow
def test_genes_with_few_counts_are_not_adjusted_for(de, folder):
    counts = COUNTS.assign(gene3=[1, 0, 2] * 4, gene4=0)
    words = ["--design", "~ dose", "--test", "dose"]
    status, printed = de(*words, counts=counts, out="r.csv")
    assert status == 0
    assert "Adjusted for the 28 genes with enough counts (10 in" in printed.out
    assert "the 2 others have a p-value alone. --no-filter adjusts for all" in printed.out
    table = pd.read_csv(folder / "r.csv", index_col="gene")
    assert table.loc["gene3", ["p_adjusted", "status"]].isna().tolist() == [True, False]
    assert table["status"][["gene3", "gene4"]].tolist() == ["low counts", "all zeros"]
    assert np.isfinite(table.loc["gene3", "p_value"])
    status, printed = de(*words, "--no-filter", counts=counts, out="r.csv")
    assert "enough counts" not in printed.out
    every = pd.read_csv(folder / "r.csv", index_col="gene")
    assert every["p_adjusted"].notna().sum() == 29


def test_estimated_counts_are_taken_as_they_are(de, folder):
    words = ["--design", "~ condition", "--test", "condition"]
    assert de(*words, out="whole.csv")[0] == 0
    noise = RNG.uniform(-0.01, 0.01, COUNTS.shape) * (COUNTS > 0)
    status, printed = de(*words, "--allow-non-integer", counts=COUNTS + noise, out="r.csv")
    assert status == 0
    assert "estimated counts: their log-likelihood is linear" in printed.err
    whole, table = (pd.read_csv(folder / name, index_col="gene") for name in ("whole.csv", "r.csv"))
    np.testing.assert_allclose(table["mean"], whole["mean"], rtol=0.01)
    assert not np.array_equal(table["mean"], whole["mean"])
    np.testing.assert_allclose(table["p_value"], whole["p_value"], rtol=0.1)


@pytest.mark.slow
def test_outliers_are_left_out_and_listed(de, folder):
    rng = np.random.default_rng(8)
    counts = pd.DataFrame(
        rng.negative_binomial(10, 0.1, (12, 60)), SAMPLES, [f"gene{j}" for j in range(60)]
    )
    counts.loc[SAMPLES[3], "gene7"] = 9000
    words = ["--design", "~ condition", "--test", "condition"]
    status, printed = de(*words, "--outliers", "o.tsv", counts=counts, out="r.csv")
    assert status == 0
    assert f"Left out as outliers: 1 counts of 1 genes; by row {SAMPLES[3]} 1" in printed.out
    listed = pd.read_csv(folder / "o.tsv", sep="\t")
    assert listed.columns.tolist() == ["gene", "row", "count", "expected", "p_value"]
    assert listed[["gene", "row", "count"]].to_numpy().tolist() == [["gene7", SAMPLES[3], 9000]]
    assert pd.read_csv(folder / "r.csv", index_col="gene").loc["gene7", "status"] == "outlier"
    status, printed = de(*words, "--keep-outliers", counts=counts, out="r.csv")
    assert "outliers" not in printed.out
    assert "outliers" not in pd.read_csv(folder / "r.csv")
    assert de(*words, "--outliers", "r.csv", counts=counts, out="r.csv")[0] == 2


@pytest.mark.slow
def test_names_that_look_like_numbers_stay_names(de):
    status, printed = de("--design", "~ patient + dose", "--test", "dose")
    assert status == 0
    assert "patient, rows per level: 001 3, 002 3, 003 3, 010 3" in printed.out
    assert "dose, a number from 0 to 1.1" in printed.out
    numbered = OBS.set_axis([f"{i:03d}" for i in range(12)])
    status, printed = de("--design", "~ condition", "--test", "no", obs=numbered,
                         counts=COUNTS.set_axis(numbered.index))  # fmt: skip
    assert status == 2
    assert "has no line for" not in printed.err


@pytest.mark.quick
@pytest.mark.parametrize(
    ("words", "changes", "message"),
    [
        (["--test", "batch"], {"counts": COUNTS.rename({"s1": "s0"})}, "lines of the name s0"),
        (["--test", "batch"], {"obs": OBS.rename({"s1": "s0"})}, "several lines of the name s0"),
        (["--test", "batch"], {"obs": OBS[[]]}, "has one column only"),
        (["--contrast", "condition,B, late,A"], {}, "with quotes around a level that has commas"),
        (["--test", "batch"], {"out": "r.doc"}, "not a kind of table; give one of .csv, .tsv"),
        (["--test", "batch"], {"counts": COUNTS.T}, "in their first line: add --transpose"),
        (["--test", "batch"], {"obs": OBS.assign(name=SAMPLES).set_index("condition")},
         "lines of the name A: give every row a name of its own; the names of the rows are in its "
         "column name: put that first"),
        (["--test", "batch"], {"obs": OBS.assign(name=SAMPLES).set_axis(list("abcdefghijkl"))},
         "its first name is a; the names of the rows are in its column name: put that first"),
        (["--design", "~ kind", "--test", "kind"],
         {"obs": OBS.assign(kind=["wild", "null"] * 6)},
         "the first in row s1 (in text also NA, None and null are missing): fill them in"),
    ],
)  # fmt: skip
def test_one_line_for_each_mistake(de, folder, words, changes, message):
    status, printed = de("--design", "~ batch", *words, **changes)
    assert status == 2
    last = printed.err.strip().splitlines()[-1]
    assert last.startswith("jaxnb: error: ")
    assert message in last
    assert not list(folder.iterdir())


@pytest.mark.quick
def test_decimal_commas_are_told(de):
    commas = OBS.assign(age=[f"{age},5" for age in range(30, 42)])
    status, printed = de("--design", "~ age", "--test", "age", obs=commas)
    assert status == 2
    assert "obs['age'] has values such as '30,5' and is taken as names of groups" in printed.err
    assert "12 rows for 12 coefficients" in printed.err


@pytest.mark.quick
@pytest.mark.parametrize("text", ["utf-16", "latin-1", "zip"])
def test_tables_of_samples_that_are_not_utf_8(tmp_path, text):
    names = np.array(["a", "b"]), np.array(["g"])
    matrix = CountMatrix(sparse.csr_array(np.ones((2, 1))), *names, {}, {}, "", (), ())
    place = tmp_path / "samples.csv"
    content = b"PK\x03\x04\x81\xff" if text == "zip" else "name,group\na,naïf\nb,sûr\n".encode(text)
    place.write_bytes(content)
    with pytest.raises(
        InputError, match="is not text in UTF-8; save it as CSV in UTF-8, also from"
    ):
        obs_of(str(place), matrix)


@pytest.mark.slow
def test_whole_numbers_that_may_be_groups_are_told_once(de):
    status, printed = de("--design", "~ batch + dose", "--reduced", "~ batch")
    assert status == 0
    assert printed.err.count("obs['batch'] holds the whole numbers 1, 2, 3, 4") == 1
    assert "write C(batch)" in printed.err


@pytest.mark.slow
def test_sums_of_few_cells_are_named_and_can_be_kept(de, folder):
    donors = OBS.assign(donor=["a"] * 4 + ["b"] * 3 + ["c"] * 2 + ["d"] * 2 + ["e"])
    words = ["--design", "~ 1", "--test", "Intercept", "--method", "wald", "--pseudobulk", "donor"]
    status, printed = de(*words, "--min-cells", "2", obs=donors, out="r.csv")
    assert status == 0
    assert "1 of 5 sums are left out, of fewer than 2 cells: e (1)" in printed.err
    assert "4 sums of cells that agree in donor" in printed.err
    assert ": Wald test, 30 genes in 4 rows" in printed.out
    assert len(pd.read_csv(folder / "r.csv")) == 30
    # what is left out is said where it is why nothing can be fitted
    status, printed = de(*words, "--min-cells", "4", obs=donors)
    assert status == 2
    assert "4 of 5 sums are left out, of fewer than 4 cells: b (3), c (2)" in printed.err
    assert "1 rows for 1 coefficients" in printed.err
    status, printed = de(*words, obs=donors)
    assert "no group has 10 cells: the largest has 4" in printed.err


@pytest.mark.quick
def test_a_choice_that_is_a_field_as_well_is_asked_about(de):
    words = ["--design", "~ condition", "--test", "condition", "--size-factors", "total"]
    status, printed = de(*words, obs=OBS.assign(total=COUNTS.sum(axis=1)))
    assert status == 2
    assert "there is a field of that name, too: give obs:total for the field" in printed.err


@pytest.mark.slow
def test_totals_over_a_part_of_the_genes_are_told(de):
    wider = OBS.assign(total_counts=3 * COUNTS.sum(axis=1))
    words = ["--design", "~ condition", "--test", "condition", "--size-factors"]
    status, printed = de(*words, "total", obs=wider)
    assert status == 0
    assert "has totals over more genes" in printed.err


@pytest.mark.quick
@pytest.mark.parametrize("name", ["r.csv", "r.TSV", "r.txt", "r.csv.gz", "r.tsv.gz"])
def test_text_tables_are_what_their_names_say(tmp_path, name):
    table = pd.DataFrame({"p_value": [0.1, np.nan], "status": ["ok", "no"]}, ["g,1", "g2"])
    file = tmp_path / "draft"
    write_frame(table, file, tmp_path / name, index="gene")
    content = file.read_bytes()
    if name.endswith(".gz"):
        content = gzip.decompress(content)
    comma = ".csv" in name
    expected = '"g,1",0.1,ok' if comma else "g,1\t0.1\tok"
    assert content.decode().splitlines()[:2] == ["gene,p_value,status" if comma else
                                                 "gene\tp_value\tstatus", expected]  # fmt: skip
    assert stem_of_table(tmp_path / name) == "r"


@pytest.mark.quick
@pytest.mark.parametrize(
    ("name", "modules", "read"),
    [
        ("r.parquet", ["pyarrow", "fastparquet"], "read_parquet"),
        ("r.xlsx", ["openpyxl", "xlsxwriter"], "read_excel"),
    ],
)
def test_other_tables_are_written_or_say_what_to_install(
    tmp_path, monkeypatch, name, modules, read
):
    file = tmp_path / name
    if any(importlib.util.find_spec(module) for module in modules):
        check_table_name(file)
        table = pd.DataFrame({"p_value": [0.1, np.nan]}, ["g1", "g2"])
        table.attrs["tested"] = "age"
        write_frame(table, file, file, index="gene")
        assert getattr(pd, read)(file)["gene"].tolist() == ["g1", "g2"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    with pytest.raises(InputError, match=f"needs {modules[0]}: pip install {modules[0]}"):
        check_table_name(file)


def test_without_formulaic_one_line_says_what_to_install(tmp_path):
    program = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "formulaic":
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
from jaxnb.__main__ import main
assert main(["de"]) == 2
try:
    import jaxnb.glm
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    what = 'needs formulaic: pip install "jaxnb[glm]"'
    assert done.stderr.strip() == f"jaxnb: error: python -m jaxnb de {what}"
    assert done.stdout.strip() == f"jaxnb.glm {what}"
