import contextlib
import pathlib

import jax
import numpy as np
import pytest

_FILE = pathlib.Path(__file__).parents[1] / "reference" / "cdf_reference.npz"


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    with jax.enable_x64(True) if request.param == "float64" else contextlib.nullcontext():
        yield np.dtype(request.param)


@pytest.fixture(scope="session")
def exact():
    """Exact values of the distribution functions (`tests/reference/make_cdf_reference.py`)."""
    return dict(np.load(_FILE))
