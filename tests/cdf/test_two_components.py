"""Zero inflation and the mixture against sums over their components."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxnb import cdf

X = np.arange(-1.0, 60.0)


def nbinom(mu, theta):
    return scipy.stats.nbinom(theta, theta / (theta + mu))


def sigmoid(q):
    return 1 / (1 + np.exp(-q))


@pytest.mark.parametrize(
    "dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)], indirect=True
)
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("zinb_sf", "mixture_nb_cdf"), marks=pytest.mark.quick),
        pytest.param(("zinb_cdf", "mixture_nb_sf"), marks=pytest.mark.slow),
    ],
    ids="-".join,
)
def test_are_the_weighted_sums(names, dtype):
    q = np.array([[-3.0], [0.5], [40.0], [-np.inf], [np.inf]], dtype)
    eps = float(np.finfo(dtype).eps)
    first, second = nbinom(4, 0.7), nbinom(20, 3)

    # By default one of each pair: a lower tail and an upper one, of either distribution.
    parameters = {"zinb": (4.0, 0.7), "mixture_nb": (4.0, 20.0, 0.7, 3.0)}

    @jax.jit
    def found(x, q):
        return {
            name: getattr(cdf, name)(x, *parameters[name.rpartition("_")[0]], q) for name in names
        }

    with np.errstate(over="ignore"):
        weight, other = sigmoid(q.astype(float)), sigmoid(-q.astype(float))
    expected = {
        "zinb_cdf": (np.where(X < 0, 0, weight + other * first.cdf(X)), 32),
        "zinb_sf": (np.where(X < 0, 1, other * first.sf(X)), 64),
        "mixture_nb_cdf": (weight * first.cdf(X) + other * second.cdf(X), 64),
        "mixture_nb_sf": (weight * first.sf(X) + other * second.sf(X), 64),
    }
    for name, got in found(X.astype(dtype), q).items():
        exact, units = expected[name]
        np.testing.assert_allclose(got, exact, rtol=units * eps, err_msg=name)


@pytest.mark.slow
def test_scales_and_a_shared_theta():
    """The logarithm of one mean beside the other mean, and a theta for both."""
    x = X.astype(np.float32)
    got = cdf.mixture_nb_cdf(x, 4.0, None, 0.7, pi_logits=0.3, log_mu_2=np.log(20.0))
    expected = sigmoid(0.3) * nbinom(4, 0.7).cdf(X) + sigmoid(-0.3) * nbinom(20, 0.7).cdf(X)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


FUNCTIONS = {
    "zinb": (cdf.zinb_log_cdf, cdf.zinb_log_sf),
    "mixture_nb": (cdf.mixture_nb_log_cdf, cdf.mixture_nb_log_sf),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_are_those_of_differences(name):
    """In each parameter, of both tails at once; X below 0 has none."""
    point = np.array([4.0, 0.7, -1.0] if name == "zinb" else [4.0, 20.0, 0.7, 3.0, -1.0])
    steps = np.diag(1e-6 * (1 + np.abs(point)))

    def values(parameters):
        return jnp.stack([function(X, *parameters) for function in FUNCTIONS[name]])

    # One program: the points of the differences are rows of the same, their derivatives unused.
    rows = np.concatenate([point + steps, point - steps, np.tile(point, (len(point), 1))])
    directions = np.tile(np.eye(len(point)), (3, 1))
    with jax.enable_x64(True):
        along = jax.jit(jax.vmap(lambda row, direction: jax.jvp(values, (row,), (direction,))))
        found, found_derivatives = map(np.asarray, along(rows, directions))
    above, below, _ = np.split(found, 3)
    derivatives = np.moveaxis(np.split(found_derivatives, 3)[2], 0, -1)
    seen = X >= 0
    differences = above[..., seen] - below[..., seen]
    differences = np.moveaxis(differences, 0, -1) / (2 * np.diag(steps))
    for function, got, expected in zip(FUNCTIONS[name], derivatives, differences, strict=True):
        told = function.__name__
        np.testing.assert_allclose(got[seen], expected, rtol=1e-6, atol=1e-9, err_msg=told)
        assert (got[~seen] == 0).all(), told


# q and the parameters, and the quantile
ENDS = {
    "zinb": [
        (0.4, 5, 2, 0, 0),  # sigmoid(0) is enough
        (1, 5, 2, np.inf, 0),
        (1, 5, 2, 0, np.inf),
        (0.5, 5, 2, np.nan, np.nan),
    ],
    "mixture_nb": [(1, 0, 0, 1, 1, 0, 0), (1, 0, 2, 1, 1, 0, np.inf)],
}


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *(pytest.param("zinb", dtype, marks=pytest.mark.slow) for dtype in ("float32", "float64")),
        pytest.param("mixture_nb", "float32", marks=pytest.mark.slow),
        pytest.param("mixture_nb", "float64", marks=pytest.mark.slow),
    ],
    indirect=["dtype"],
)
def test_quantiles(name, dtype):
    rng = np.random.default_rng(4)
    n = 5000
    values = np.exp(rng.uniform(np.log(0.01), np.log(1e3), (4, n))).astype(dtype)
    parameters = (*(values[:2] if name == "zinb" else values), 3 * rng.normal(size=n).astype(dtype))
    quantile, function = getattr(cdf, f"{name}_quantile"), getattr(cdf, f"{name}_cdf")

    q = rng.uniform(size=n).astype(dtype)
    *ends, expected = np.array(ENDS[name], dtype).T

    @jax.jit
    def found(q, *parameters):
        x = quantile(q, *parameters)
        twice = (jnp.tile(parameter, 2) for parameter in parameters)
        return x, *jnp.split(function(jnp.concatenate([x, x - 1]), *twice), 2)

    joined = [np.append(*both) for both in zip((q, *parameters), ends, strict=True)]
    x, at, before = (np.asarray(a) for a in found(*joined))
    wrong = np.flatnonzero(~((at >= joined[0]) & (before < joined[0]) & np.isfinite(x))[:n])
    assert len(wrong) == 0, f"at {[[a[k] for a in joined] for k in wrong[:3]]}"
    for point, value, end in zip(ENDS[name], x[n:], expected, strict=True):
        np.testing.assert_array_equal(value, end, f"at {point[:-1]}")
