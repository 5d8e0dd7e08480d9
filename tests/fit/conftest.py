"""The fits of all bundled genes, made once for all tests."""

import pytest

from jaxnb import datasets
from jaxnb.fit import FitResult, fit_nb, fit_zinb


@pytest.fixture(scope="session")
def fitted() -> tuple[FitResult, FitResult]:
    """NB and ZINB fits, by raw totals as size factors."""
    data = datasets.pbmc68k()
    nb = fit_nb(data.counts, data.total_counts)
    return nb, fit_zinb(data.counts, data.total_counts, nb=nb)
