"""What holds counts in Python, and what is said of size factors that bend the fit."""

import subprocess
import sys

import anndata
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from jaxnb.fit import CountStatistics, fit_nb, fit_poisson

RNG = np.random.default_rng(11)
CELLS, GENES = 60, 30
NAMES = [f"gene{i}" for i in range(GENES)]
COUNTS = RNG.poisson(RNG.gamma(2, 2, (CELLS, GENES)))
DEPTH = RNG.uniform(0.5, 2, CELLS)


@pytest.fixture
def adata() -> anndata.AnnData:
    obs = pd.DataFrame({"depth": DEPTH}, index=[f"cell{i}" for i in range(CELLS)])
    made = anndata.AnnData(np.log1p(COUNTS), obs=obs, var=pd.DataFrame(index=NAMES))
    made.layers["counts"] = sparse.csr_matrix(COUNTS)
    made.raw = anndata.AnnData(sparse.csr_matrix(COUNTS), obs=obs, var=pd.DataFrame(index=NAMES))
    return made


@pytest.mark.quick
def test_anndata_and_dataframes_give_the_fit_of_their_matrix(adata: anndata.AnnData) -> None:
    expected = fit_poisson(COUNTS, DEPTH)
    frame = pd.DataFrame(COUNTS, columns=NAMES)
    for fit in (
        fit_poisson(adata, "depth", layer="counts"),
        fit_poisson(adata, DEPTH, use_raw=True),
        fit_poisson(frame, DEPTH),
    ):
        assert_array_equal(fit.mean, expected.mean)
        assert list(fit.genes) == NAMES
    assert expected.genes is None


def test_what_an_anndata_does_not_have_is_named(adata: anndata.AnnData) -> None:
    with pytest.raises(ValueError, match="no layer 'spliced'; the AnnData has"):
        fit_poisson(adata, "ones", layer="spliced")
    with pytest.raises(ValueError, match="not both"):
        fit_poisson(adata, "ones", layer="counts", use_raw=True)
    with pytest.raises(ValueError, match="nor a column of obs"):
        fit_poisson(adata, "depht", layer="counts")
    with pytest.raises(TypeError, match="is for AnnData"):
        fit_poisson(COUNTS, "ones", layer="counts")
    adata.raw = None
    with pytest.raises(ValueError, match=r"no \.raw"):
        fit_poisson(adata, "ones", use_raw=True)


def test_estimates_go_into_var_and_into_a_frame(adata: anndata.AnnData) -> None:
    fit = fit_nb(adata, "depth", layer="counts")
    fit.write(adata, "nb")
    assert_array_equal(adata.var["nb_theta"], fit.theta)
    assert set(adata.var["nb_status"]) <= {"converged", "poisson"}
    frame = fit.to_frame()
    assert list(frame.index) == NAMES
    assert_array_equal(frame["log_theta_se"], fit.standard_errors.log_theta)
    with pytest.raises(ValueError, match="other genes"):
        fit.write(adata[:, ::-1].copy(), "nb")
    with pytest.raises(ValueError, match="30 genes, the AnnData 29"):
        fit.write(adata[:, 1:].copy(), "nb")


def test_normalized_data_are_warned_of(adata: anndata.AnnData) -> None:
    with pytest.warns(UserWarning, match="'gene0' among them: normalized data"):
        fit_poisson(adata, "depth")


def test_totals_of_one_column_are_refused() -> None:
    with pytest.raises(ValueError, match='size_factors="ones", an array, or the total counts'):
        fit_nb(COUNTS[:, :1])


@pytest.mark.parametrize("columns", [2, 5, 20])
def test_totals_of_few_columns_are_warned_of(columns: int) -> None:
    with pytest.warns(UserWarning, match="times too large"):
        fit_poisson(COUNTS[:, :columns])


def test_a_column_that_dominates_the_totals_is_named() -> None:
    counts = COUNTS.copy()
    counts[:, 7] *= 20
    with pytest.warns(UserWarning, match="'gene7' is 4.% of all counts"):
        fit_poisson(pd.DataFrame(counts, columns=NAMES))


def test_statistics_bring_their_size_factors() -> None:
    statistics = CountStatistics.of(COUNTS, DEPTH)
    assert_array_equal(fit_poisson(statistics).mean, fit_poisson(COUNTS, DEPTH).mean)
    with pytest.raises(ValueError, match="nothing beside"):
        fit_poisson(statistics, DEPTH)
    with pytest.raises(ValueError, match="several groups"):
        fit_poisson(CountStatistics.of(COUNTS, DEPTH, np.arange(CELLS) % 2))


def test_importing_jaxnb_imports_none_of_them() -> None:
    code = "import jaxnb.fit, sys; print({'pandas', 'anndata', 'h5py', 'dask'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "set()"
