"""The fits of all bundled genes, made once for all tests."""

import functools
from collections.abc import Callable

import jax
import pytest

from jaxnb import datasets
from jaxnb.fit import FitResult, fit_nb, fit_zinb

Fits = tuple[FitResult, FitResult]


@functools.cache
def _fitted(x64: bool) -> Fits:
    data = datasets.pbmc68k()
    with jax.enable_x64(x64):
        nb = fit_nb(data.counts, data.total_counts)
        return nb, fit_zinb(data.counts, data.total_counts, nb=nb)


@pytest.fixture(scope="session")
def fitted() -> Callable[[bool], Fits]:
    """NB and ZINB fits in float32 (False) or float64 (True), by raw totals as size factors."""
    return _fitted
