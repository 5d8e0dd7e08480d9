"""From AnnData to a fit, into `var`, to a file, and back; the same from a DataFrame."""

from pathlib import Path

import anndata
import count_files
import numpy as np
import pandas as pd
import pytest

from jaxnb.fit import fit_nb, fit_poisson
from jaxnb.fit.comparison import compare_fits
from jaxnb.io import read_counts

# anndata and what it imports warn about themselves, and eight columns are few.
pytestmark = pytest.mark.filterwarnings("default")


def test_anndata_to_var_to_file_and_back(tmp_path: Path) -> None:
    data = count_files.annotated(layers={"counts": count_files.COUNTS})
    factors = np.asarray(data.obs["total_counts"], float)
    fits = {
        "Poisson": fit_poisson(data, "total_counts", layer="counts"),
        "NB": fit_nb(data, "total_counts", layer="counts"),
    }
    comparison = compare_fits(data.layers["counts"], factors, fits, data.var_names)
    data.var = data.var.join(pd.DataFrame(comparison.table).set_index("gene"))
    data.write_h5ad(tmp_path / "fitted.h5ad")

    again = read_counts(tmp_path / "fitted.h5ad", layer="counts")
    np.testing.assert_array_equal(again.counts.toarray(), count_files.COUNTS)
    np.testing.assert_array_equal(again.var["nb_theta"], fits["NB"].theta)
    assert list(again.var["bic_choice"]) == list(comparison.table["bic_choice"])
    stored = anndata.read_h5ad(tmp_path / "fitted.h5ad").var
    np.testing.assert_array_equal(stored["nb_theta"], fits["NB"].theta)
    # What was read is fitted to the same numbers.
    same = fit_nb(again.counts, again.obs["total_counts"])
    np.testing.assert_array_equal(same.theta, fits["NB"].theta)


def test_a_data_frame_to_a_table_and_back(tmp_path: Path) -> None:
    frame = count_files.table()
    ones = np.ones(len(frame))
    fits = {"Poisson": fit_poisson(frame, ones), "NB": fit_nb(frame, ones)}
    table = pd.DataFrame(compare_fits(frame, ones, fits, frame.columns).table)
    table.to_csv(tmp_path / "fitted.csv", index=False)
    frame.to_csv(tmp_path / "counts.csv")

    again = read_counts(tmp_path / "counts.csv")
    np.testing.assert_array_equal(fit_nb(again.counts, ones).theta, fits["NB"].theta)
    stored = pd.read_csv(tmp_path / "fitted.csv", index_col="gene", float_precision="round_trip")
    assert list(stored.index) == list(again.genes)
    np.testing.assert_array_equal(stored["nb_theta"], fits["NB"].theta)
