"""Size factors: the same choices for fits, regression and files, aligned by labels."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from jaxnb import glm
from jaxnb.data.ratios import median_ratio, trimmed_mean
from jaxnb.data.size_factors import Rows, given_factors
from jaxnb.fit import fit_poisson, read_statistics
from jaxnb.io import InputError

pytestmark = pytest.mark.quick

ROWS, GENES = 6, 300
NAMES = [f"cell{i}" for i in range(ROWS)]
DEPTH = pd.Series(np.linspace(0.5, 2.0, ROWS), NAMES)


def _counts() -> np.ndarray:
    rng = np.random.default_rng(5)
    mean = np.exp(rng.normal(3, 1.8, GENES))
    x = rng.negative_binomial(1.5, 1.5 / (1.5 + mean), (ROWS, GENES))
    x[3:, :30] *= 4
    x[1] //= 3
    x[:, 290:], x[2, 5] = 0, 0
    return x


COUNTS = _counts()


def test_trimmed_means_are_those_of_edger() -> None:
    # totals times calcNormFactors(x, lib.size=colSums(x)) of edgeR 3.40.2, over their mean
    exact = [
        1.2276138010179192, 0.4009694584320605, 1.2372263390221456,
        1.217378144511704, 1.0469398008164081, 1.2883402519507157,
    ]  # fmt: skip
    assert_allclose(trimmed_mean(COUNTS), exact, rtol=1e-12)
    assert_array_equal(trimmed_mean(sparse.csc_array(COUNTS)), trimmed_mean(COUNTS))


def test_trimmed_means_of_nearly_empty_rows() -> None:
    x = np.random.default_rng(1).poisson(0.05, (5, 200))
    x[:, 0] += 1
    assert np.all(np.isfinite(trimmed_mean(x)))
    x[3] = 0
    with pytest.raises(ValueError, match="row 3 has none"):
        trimmed_mean(x)


def test_trimmed_means_of_multiples_are_the_multiples() -> None:
    x = np.outer([1, 2, 4], COUNTS[0])
    assert_allclose(trimmed_mean(x), [0.5, 1, 2], rtol=1e-12)
    assert_allclose(median_ratio(x), [0.5, 1, 2], rtol=1e-12)


def test_stored_zeros_are_no_counts() -> None:
    stored = sparse.csr_array(COUNTS + 1)
    stored.data -= 1
    assert_array_equal(median_ratio(stored), median_ratio(COUNTS))
    assert_array_equal(trimmed_mean(stored), trimmed_mean(COUNTS))


@pytest.mark.filterwarnings("ignore:.* of all counts")
@pytest.mark.parametrize("choice", ["total", "median-ratio", "tmm", "ones", "depth", DEPTH[::-1]])
def test_fits_and_regression_have_the_same_choices(choice, tmp_path: Path) -> None:
    obs = pd.DataFrame({"depth": DEPTH.to_numpy(), "group": list("aabbab")}, NAMES)
    adata = anndata.AnnData(sparse.csr_matrix(COUNTS), obs=obs)
    fit = glm.fit(adata, "~ group", size_factors=choice)
    assert_allclose(
        fit_poisson(adata, choice).mean, fit_poisson(COUNTS, fit.size_factors.to_numpy()).mean,
        rtol=1e-12,
    )  # fmt: skip
    file = tmp_path / "counts.h5ad"
    adata.write_h5ad(file)
    if isinstance(choice, str) and choice in ("median-ratio", "tmm"):
        with pytest.raises(InputError, match="takes the whole matrix in memory: choose 'total'"):
            read_statistics(file, choice)
        with pytest.raises(ValueError, match="takes the whole matrix"):
            glm.fit_file(file, "~ 1", size_factors=choice)
        return
    assert_allclose(
        fit_poisson(read_statistics(file, choice)).mean, fit_poisson(adata, choice).mean
    )


@pytest.mark.filterwarnings("ignore:.* of all counts")
def test_the_default_does_not_look_at_fields(tmp_path: Path) -> None:
    obs = pd.DataFrame({"total": DEPTH.to_numpy(), "median-ratio": DEPTH.to_numpy()}, NAMES)
    adata = anndata.AnnData(sparse.csr_matrix(COUNTS), obs=obs)
    adata.write_h5ad(tmp_path / "counts.h5ad")
    plain = fit_poisson(COUNTS).mean
    assert_array_equal(fit_poisson(adata).mean, plain)
    assert_allclose(fit_poisson(read_statistics(tmp_path / "counts.h5ad")).mean, plain)
    for genes in (40, GENES):  # totals, median ratios
        found, without = (
            glm.fit(COUNTS[:, :genes], "~ 1", obs=fields).size_factors for fields in (obs, None)
        )
        assert_array_equal(found, without)


def test_labels_of_other_rows_are_refused() -> None:
    frame = pd.DataFrame(COUNTS, NAMES)
    with pytest.raises(ValueError, match=r"labels of size_factors .*\(row cell0 is not"):
        fit_poisson(frame, DEPTH.rename(index={"cell0": "other"}))
    # nobody has given these labels
    assert_array_equal(
        fit_poisson(frame, DEPTH.reset_index(drop=True)).mean, fit_poisson(frame, DEPTH).mean
    )


@pytest.mark.parametrize("name", ["ones", "total", "tmm"])
def test_a_field_comes_before_a_choice_of_the_same_name(name: str) -> None:
    given = given_factors(name, Rows(3, None, {name: np.arange(1.0, 4.0)}))
    assert given is not None
    assert_array_equal(given[0], [1, 2, 3])
    assert given[1] == f"obs[{name!r}]"


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (DEPTH.to_numpy()[:3], r"one entry per row, shape \(6,\), not \(3,\)"),
        (np.full(ROWS, np.nan), "must be finite and not negative; that of row cell0 is nan"),
        (-DEPTH.to_numpy(), "must be finite and not negative; that of row cell0 is -0.5"),
        (np.zeros(ROWS), "are all 0"),
        ("deepth", "none of 'total', 'median-ratio', 'tmm', 'ones', nor a column of obs"),
        (DEPTH.astype(str), "must be numbers"),
    ],
)
def test_what_is_no_size_factor(factors, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_poisson(pd.DataFrame(COUNTS, NAMES), factors)
