"""The bundled counts are the ones the docstring describes."""

import numpy as np
import pytest
from scipy import sparse

from jaxnb import datasets


@pytest.mark.quick
def test_pbmc68k_is_the_matrix_it_says_it_is() -> None:
    data = datasets.pbmc68k()
    assert sparse.issparse(data.counts)
    assert data.counts.format == "csr"
    assert data.counts.dtype == np.int32
    assert data.counts.shape == (700, 765)
    assert data.counts.nnz == 174_400
    assert data.counts.data.min() == 1
    assert data.counts.data.max() == 259
    assert round(100 * (1 - data.counts.nnz / (700 * 765)), 1) == 67.4


def test_pbmc68k_names_every_row_and_column() -> None:
    data = datasets.pbmc68k()
    assert data.genes.shape == (765,)
    assert len(set(data.genes)) == 765
    assert {"LYZ", "COX7C"} <= set(data.genes)
    assert data.labels.shape == data.total_counts.shape == (700,)
    assert len(set(data.labels)) == 10
    assert np.mean(data.labels == "Dendritic") == 240 / 700


def test_totals_count_more_than_the_genes_kept() -> None:
    data = datasets.pbmc68k()
    assert (data.total_counts.min(), data.total_counts.max()) == (2141, 9497)
    assert np.all(data.total_counts >= np.asarray(data.counts.sum(axis=1)).ravel())
