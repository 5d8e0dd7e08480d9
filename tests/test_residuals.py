"""Residuals: Pearson, deviance, randomized and mid-quantile."""

import anndata
import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import scipy.stats
from registry import DISTRIBUTIONS

import jaxnb
from jaxnb import residuals
from jaxnb.cdf.quantile_residual import quantile_residual
from jaxnb.likelihoods.deviance import nb_deviance, zinb_deviance


@pytest.mark.parametrize(
    ("x", "mu", "theta"),
    [
        (0, 3, 2),
        (1, 1.0000001, 1e3),
        (5, 5.000001, 0.3),
        (1000, 1000.01, 1e8),
        (30, 2, 0.5),
        (0, 1e-6, 1),
        (1e6, 999999, 7),
        (3, 40, 1e5),
        (1, 1e-8, 3),
    ],
)
@pytest.mark.parametrize("x64", [False, True])
def test_deviance_against_exact_values(x, mu, theta, x64):
    """Relative to what one rounding of x - mu does, which is all that is left near the mean."""
    dtype = np.float64 if x64 else np.float32
    x, mu, theta = (dtype(v) for v in (x, mu, theta))
    with mpmath.workdps(60):
        X, M, T = (mpmath.mpf(float(v)) for v in (x, mu, theta))
        log_ratio = X * mpmath.log(X / M) if X else mpmath.mpf(0)
        exact = float(2 * (log_ratio - (X + T) * mpmath.log((X + T) / (M + T))))
    with jax.enable_x64(x64):
        got = nb_deviance(x, mu, theta)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, exact, rtol=16 * float(np.finfo(dtype).eps))


def test_deviance_at_the_ends():
    nan, inf = np.nan, np.inf
    got = nb_deviance(
        np.float32([2, 0, 3, 3, 0, 0, 3, -1, 3, nan]),
        np.float32([2, 0, 0, 2, 2, inf, inf, 1, -1, 1]),
        np.float32([5, 1, 1, 0, 0, 1, 1, 1, 1, 1]),
    )
    np.testing.assert_allclose(
        got, [0, 0, inf, inf, 0, inf, inf, nan, nan, nan], rtol=1e-6, atol=1e-30
    )
    poisson = nb_deviance(np.float32(7), np.float32(5), np.float32(inf))
    np.testing.assert_allclose(poisson, 2 * (7 * np.log(7 / 5) - 2), rtol=1e-6)
    np.testing.assert_allclose(
        nb_deviance(4.0, log_mu=np.log(3.0), log_theta=0.5),
        nb_deviance(4.0, 3.0, np.exp(0.5)),
        rtol=1e-5,
    )


@pytest.mark.slow
def test_deviance_is_twice_the_log_probability_lost():
    x = np.arange(40.0)
    with jax.enable_x64(True):
        saturated = jaxnb.log_nb_positive(x, x, 1.7, 0.0) - jaxnb.log_nb_positive(x, 4.0, 1.7)
        np.testing.assert_allclose(nb_deviance(x, 4.0, 1.7), 2 * saturated, rtol=1e-9, atol=1e-12)
        zero = -2 * jaxnb.log_zinb_positive(0.0, 4.0, 1.7, -1.0)
        expected = np.where(x == 0, zero, 2 * saturated)
        np.testing.assert_allclose(zinb_deviance(x, 4.0, 1.7, -1.0), expected, atol=1e-12)
        derivative = jax.grad(nb_deviance, 1)(7.0, 4.0, 1.7)
        np.testing.assert_allclose(
            derivative, -2 * jax.grad(jaxnb.log_nb_positive, 1)(7.0, 4.0, 1.7)
        )


TRUE = {
    "nb": jaxnb.NegativeBinomial(mu=3.0, theta=0.8),
    "zinb": jaxnb.ZeroInflatedNegativeBinomial(mu=6.0, theta=2.0, zi_logits=-0.5),
    "mixture": jaxnb.NegativeBinomialMixture(1.0, 12.0, 2.0, 3.0, 0.3),
}
WRONG = {
    "nb": jaxnb.NegativeBinomial(mu=3.0, theta=2.0),
    "zinb": jaxnb.NegativeBinomial(mu=6.0 / (1 + np.exp(-0.5)), theta=1.0),
    "mixture": jaxnb.NegativeBinomial(mu=5.8, theta=1.0),
}


@jax.jit
def both_residuals(x, distribution):
    """By the function and by the method."""
    key = jax.random.key(5)
    return residuals.quantile_residuals(key, x, distribution), distribution.quantile_residuals(
        key, x
    )


def drawn(name):
    """Counts under the true distribution, by NumPy."""
    rng, n = np.random.default_rng(5), 4000
    mu, theta = {"nb": (3.0, 0.8), "zinb": (6.0, 2.0)}.get(name, (0.0, 1.0))
    x = rng.poisson(mu * rng.gamma(theta, 1 / theta, n))
    if name == "zinb":
        x = np.where(rng.random(n) < 1 / (1 + np.exp(0.5)), 0, x)
    if name == "mixture":
        first = rng.random(n) < 1 / (1 + np.exp(-0.3))
        mu, theta = np.where(first, 1.0, 12.0), np.where(first, 2.0, 3.0)
        x = rng.poisson(mu * rng.gamma(theta) / theta)
    return x.astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nb", "zinb", "mixture"])
def test_quantile_residuals_are_normal_under_the_true_distribution_alone(name):
    x = drawn(name)
    right, again = map(np.asarray, both_residuals(x, TRUE[name]))
    wrong, _ = map(np.asarray, both_residuals(x, WRONG[name]))
    assert scipy.stats.kstest(right, "norm").pvalue > 0.01
    assert abs(np.std(right) - 1) < 0.05
    assert scipy.stats.kstest(wrong, "norm").pvalue < 1e-4
    np.testing.assert_array_equal(again, right)


# Of the counts 400, 4000 and 40000 under mu = 5, theta = 50.
FAR = [40.19550328297705, 136.59334901148802, 437.12558352794247]


@pytest.mark.slow
def test_mid_quantile_residuals_in_both_far_tails():
    x = np.array([0, 1, 5, 40, 400, 4000, 40000])
    nb = scipy.stats.nbinom(50, 50 / 55)
    lower = nb.cdf(x - 1) + nb.pmf(x) / 2
    upper = nb.sf(x) + nb.pmf(x) / 2
    expected = np.where(lower < upper, scipy.stats.norm.ppf(lower), scipy.stats.norm.isf(upper))
    mu = np.float32([5.0] * len(x) + [0.0])  # and a count that is impossible
    got = residuals.mid_quantile_residuals(
        np.append(x, 3), jaxnb.NegativeBinomial(mu=mu, theta=50.0, eps=0.0)
    )
    np.testing.assert_allclose(got[:4], expected[:4], rtol=2e-5, atol=1e-6)
    # log(1 - F) = -823.17 and -95315.0 there
    np.testing.assert_allclose(got[4:-1], FAR, rtol=1e-6)
    assert np.isnan(got[-1])


@pytest.mark.slow
def test_the_far_tails_in_float64():
    x = np.array([40, 400, 4000, 40000])
    with jax.enable_x64(True):
        distribution = jaxnb.NegativeBinomial(mu=5.0, theta=50.0)
        exact = distribution.mid_quantile_residuals(x)
        level = jnp.logaddexp(distribution.log_sf(x), distribution.log_prob(x) - np.log(2))
    np.testing.assert_allclose(scipy.stats.norm.logsf(exact), level, rtol=1e-12)
    np.testing.assert_allclose(exact[1:], FAR, rtol=1e-12)


@pytest.mark.quick
def test_pearson_and_deviance_residuals():
    nb = jaxnb.NegativeBinomial(mu=4.0, theta=2.0)
    x = np.float32([0, 4, 9])
    np.testing.assert_allclose(residuals.pearson_residuals(x, nb), (x - 4) / np.sqrt(12), rtol=1e-6)
    expected = np.sign(x - 4) * np.sqrt(nb_deviance(x, 4.0, 2.0))
    np.testing.assert_array_equal(residuals.deviance_residuals(x, nb), expected)
    with pytest.raises(NotImplementedError, match="deviance"):
        residuals.deviance_residuals(x, TRUE["mixture"])


class Handed:
    """In place of a distribution: returns the counts that it is given."""

    def pearson_residuals(self, x):
        return x

    deviance_residuals = mid_quantile_residuals = pearson_residuals

    def quantile_residuals(self, key, x):
        return x


def test_matrices_and_annotated_data():
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.8, (6, 4)).astype(np.float32)
    nb = jaxnb.NegativeBinomial(mu=rng.gamma(2, 1, (6, 1)), theta=rng.gamma(2, 1, 4))
    adata = anndata.AnnData(scipy.sparse.csr_matrix(counts))
    adata.layers["raw"] = counts + 1
    key = jax.random.key(0)
    for function in (
        residuals.pearson_residuals,
        residuals.deviance_residuals,
        residuals.mid_quantile_residuals,
        lambda *args, **options: residuals.quantile_residuals(key, *args, **options),
    ):
        for held in (counts, scipy.sparse.csc_array(counts), pd.DataFrame(counts), adata):
            np.testing.assert_array_equal(function(held, Handed()), counts)
        np.testing.assert_array_equal(function(adata, Handed(), layer="raw"), counts + 1)
    found = residuals.pearson_residuals(adata, nb)
    np.testing.assert_allclose(found, (counts - nb.mean) / np.sqrt(nb.variance), rtol=1e-6)
    with pytest.raises(ValueError, match=r"no layer 'x'; the layers are \['raw'\]"):
        residuals.pearson_residuals(adata, nb, layer="x")
    with pytest.raises(TypeError, match="ndarray has no layers"):
        residuals.pearson_residuals(counts, nb, layer="x")


@pytest.mark.slow
def test_deviance_residuals_have_the_derivatives_of_pearson_s_at_the_mean():
    def residual(x, mu):
        return jaxnb.NegativeBinomial(mu=mu, theta=2.0).deviance_residuals(x)

    @jax.jit
    def all_orders(*point):
        first = jax.value_and_grad(residual, (0, 1))
        return first(*point), jax.hessian(residual, (0, 1))(*point)

    (value, derivatives), hessian = all_orders(5.0, 5.0)
    assert value == 0
    np.testing.assert_allclose(derivatives, np.array([1, -1]) / np.sqrt(17.5), rtol=1e-6)

    def exact(x, mu):
        deviance = 2 * (x * mpmath.log(x / mu) - (x + 2) * mpmath.log((x + 2) / (mu + 2)))
        return mpmath.sign(x - mu) * mpmath.sqrt(deviance)

    with mpmath.workdps(60):  # next to the mean, where the root is as it stands
        expected = [
            [
                float(mpmath.diff(exact, (5 + mpmath.mpf("1e-12"), 5), orders, h="1e-16"))
                for orders in row
            ]
            for row in [[(2, 0), (1, 1)], [(1, 1), (0, 2)]]
        ]
    np.testing.assert_allclose(hessian, expected, rtol=1e-5)


def distribution(case, dtype=np.float32):
    shapes = [(3, 2), (2,), (), (3, 1), (2,)]
    given = {
        p.attribute: np.full(shape, value, dtype)
        for p, value, shape in zip(case.family.parameters, case.values, shapes, strict=False)
    }
    return getattr(jaxnb, case.family.class_name)(**given)


@pytest.mark.parametrize(
    ("name", "method"),
    [
        (name, method)
        for name, case in DISTRIBUTIONS.items()
        for method in ("pearson_residuals", "deviance_residuals", "mode", "stddev")
        if case.family.deviance or method != "deviance_residuals"
    ]
    + [("negative_binomial", "mid_quantile_residuals")],
)
def test_ranks_and_dtypes_are_promoted_explicitly(name, method):
    for dtype in (np.float32, np.float16, jnp.bfloat16):
        made = distribution(DISTRIBUTIONS[name], dtype)
        with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
            for counts in (np.ones((4, 3, 2), dtype), np.ones(2, np.int32), 1):

                def computed(counts=counts, made=made):
                    value = getattr(made, method)
                    return value(counts) if callable(value) else value

                assert jax.eval_shape(computed).dtype == dtype


def test_zero_inflated_deviance_at_infinite_log_odds():
    counts, infinite = np.float32([0, 3]), np.float32([[-np.inf], [np.inf], [np.nan]])
    got = zinb_deviance(counts, 2.0, 1.0, infinite)
    plain = nb_deviance(counts, 2.0, 1.0)
    expected = [plain, [0, plain[1]], [np.nan, np.nan]]
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-30)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16])
def test_quantile_residuals_of_half_precision_are_rounded_once(dtype):
    counts = np.arange(0, 40, 5)  # as many as in the far tails, through the same programs
    mu = np.full(len(counts), 3.0)
    made = jaxnb.NegativeBinomial(mu=mu.astype(dtype), theta=dtype(2.0))
    exact = jaxnb.NegativeBinomial(mu=mu, theta=2.0).mid_quantile_residuals(counts)
    got = made.mid_quantile_residuals(counts)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, exact.astype(dtype))
    randomized = jax.eval_shape(made.quantile_residuals, jax.random.key(0), counts)
    assert randomized.dtype == dtype


@pytest.mark.quick
@pytest.mark.parametrize("u", [0.2, 0.9])
def test_a_quantile_residual_lies_where_u_says_in_either_tail(u):
    before, p = np.array([0.01, 0.9]), np.array([0.04, 0.06])
    logs = np.log(before), np.log1p(-before - p), np.log(p)
    got = quantile_residual(*(jnp.asarray(log, jnp.float32) for log in logs), jnp.float32(u))
    np.testing.assert_allclose(got, scipy.stats.norm.ppf(before + u * p), rtol=1e-5)
