"""From AnnData to a fit, into `var`, to a file, and back; the same from a DataFrame."""

from pathlib import Path

import anndata
import count_files
import numpy as np
import pandas as pd
import pytest

from jaxnb.fit import CountStatistics, compare_fits, fit_nb, fit_poisson
from jaxnb.io import read_counts

# anndata and what it imports warn about themselves, and eight columns are few.
pytestmark = pytest.mark.filterwarnings("default", "error:::jaxnb")


def test_anndata_to_var_to_file_and_back(tmp_path: Path) -> None:
    data = count_files.annotated(layers={"counts": count_files.COUNTS})
    fit = fit_nb(data, "total_counts", layer="counts")
    fit.write(data, "nb")
    data.write_h5ad(tmp_path / "fitted.h5ad")

    again = read_counts(tmp_path / "fitted.h5ad", layer="counts")
    np.testing.assert_array_equal(again.counts.toarray(), count_files.COUNTS)
    stored = anndata.read_h5ad(tmp_path / "fitted.h5ad").var
    frame = fit.to_frame()
    assert list(stored.index) == list(frame.index) == list(again.genes)
    for name in frame.columns:
        np.testing.assert_array_equal(stored[f"nb_{name}"], frame[name])
        np.testing.assert_array_equal(again.var[f"nb_{name}"], frame[name])
    # What was read is fitted to the same numbers.
    same = fit_nb(again.counts, again.obs["total_counts"])
    np.testing.assert_array_equal(same.theta, fit.theta)


@pytest.mark.quick
def test_a_comparison_to_var_to_file_and_back(tmp_path: Path) -> None:
    data = count_files.annotated()
    statistics = CountStatistics.of(data.X, data.obs["total_counts"])
    fits = {"Poisson": fit_poisson(statistics), "NB": fit_nb(statistics)}
    table = compare_fits(statistics, None, fits, data.var_names).to_frame()
    data.var = data.var.join(table)
    data.write_h5ad(tmp_path / "fitted.h5ad")
    stored = anndata.read_h5ad(tmp_path / "fitted.h5ad").var
    np.testing.assert_array_equal(stored["nb_theta"], fits["NB"].theta)
    assert list(stored["bic_choice"]) == list(table["bic_choice"])


def test_a_data_frame_to_a_table_and_back(tmp_path: Path) -> None:
    frame = count_files.table()
    totals = frame.sum(axis=1)
    fits = {"Poisson": fit_poisson(frame, totals), "NB": fit_nb(frame, totals)}
    fits["NB"].to_frame().to_csv(tmp_path / "one.csv")
    compare_fits(frame, totals, fits).to_frame().to_csv(tmp_path / "fitted.csv")
    frame.to_csv(tmp_path / "counts.csv")

    again = read_counts(tmp_path / "counts.csv")
    np.testing.assert_array_equal(fit_nb(again.counts, totals).theta, fits["NB"].theta)
    # pandas' own parser of numbers may be wrong in the last digit.
    stored = pd.read_csv(tmp_path / "fitted.csv", index_col="gene", dtype=str)
    assert list(stored.index) == list(again.genes)
    np.testing.assert_array_equal(stored["nb_theta"].astype(float), fits["NB"].theta)
    one = pd.read_csv(tmp_path / "one.csv", index_col=0, dtype=str)
    np.testing.assert_array_equal(one["theta"].astype(float), fits["NB"].theta)
    assert list(one.index) == list(again.genes)
