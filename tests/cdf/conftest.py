import contextlib
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnb import cdf

_FILE = pathlib.Path(__file__).parents[1] / "reference" / "cdf_reference.npz"
_SIZE = 4096


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    with jax.enable_x64(True) if request.param == "float64" else contextlib.nullcontext():
        yield np.dtype(request.param)


@pytest.fixture(scope="session")
def exact():
    """Exact values of the distribution functions (`tests/reference/make_cdf_reference.py`)."""
    return dict(np.load(_FILE))


def _in_one_size(function):
    """The function of arrays, always called with as many points: one program a dtype."""
    compiled = jax.jit(function)

    def call(*arguments):
        arrays = np.broadcast_arrays(*arguments)
        shape, n = arrays[0].shape, arrays[0].size
        filled = [np.append(a.ravel(), np.ones(_SIZE - n, a.dtype)) for a in arrays]
        return [np.asarray(result)[:n].reshape(shape) for result in compiled(*filled)]

    return call


@pytest.fixture(scope="session")
def tails():
    """log F and log(1 - F) of (x, mu, theta)."""
    return _in_one_size(lambda *point: (cdf.nb_log_cdf(*point), cdf.nb_log_sf(*point)))


@pytest.fixture(scope="session")
def tails_of_logarithms():
    """log F and log(1 - F) of (x, log_mu, log_theta)."""

    def both(x, log_mu, log_theta):
        logs = {"log_mu": log_mu, "log_theta": log_theta}
        return cdf.nb_log_cdf(x, **logs), cdf.nb_log_sf(x, **logs)

    return _in_one_size(both)


@pytest.fixture(scope="session")
def derivatives():
    """For log F and log(1 - F), the derivatives in mu and theta."""

    def weighted(mu, theta, x, weight):
        lower, upper = cdf.nb_log_cdf(x, mu, theta), cdf.nb_log_sf(x, mu, theta)
        # not a product, which makes a NaN of an infinity without weight
        return jnp.sum(jnp.where(weight > 0, lower, upper))

    gradient = jax.grad(weighted, (0, 1))
    compiled = _in_one_size(lambda x, mu, theta, weight: gradient(mu, theta, x, weight))

    def both(x, mu, theta):
        one = np.ones_like(x)
        return {
            "log_cdf": compiled(x, mu, theta, one),
            "log_sf": compiled(x, mu, theta, 0 * one),
        }

    return both
