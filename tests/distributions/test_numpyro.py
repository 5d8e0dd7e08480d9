"""The distributions inside NumPyro: handlers, plates, SVI, Predictive. NUTS is in test_nuts.py."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax
import pytest
from distributions.cases import ZINB
from numpyro import handlers
from numpyro.infer import SVI, Predictive, Trace_ELBO, autoguide, init_to_value, log_likelihood
from numpyro.infer.util import log_density

import jaxnb

RNG = np.random.default_rng(0)
CELLS, GENES = 120, 4
TRUE_MU = np.array([0.5, 2.0, 8.0, 30.0], np.float32)
COUNTS = RNG.poisson(RNG.gamma(3.0, 1 / 3, (CELLS, GENES)) * TRUE_MU).astype(np.float32)


def model(counts=None, mask=True):
    with numpyro.plate("genes", GENES, dim=-1):
        log_mu = numpyro.sample("log_mu", dist.Normal(0, 3))
        log_theta = numpyro.sample("log_theta", dist.Normal(0, 2))
        with numpyro.plate("cells", CELLS, dim=-2), handlers.mask(mask=mask):
            nb = jaxnb.NegativeBinomial(log_mu=log_mu, log_theta=log_theta)
            return numpyro.sample("x", nb, obs=counts)


PARAMETERS = {"log_mu": np.log(TRUE_MU), "log_theta": np.log(np.full(GENES, 3.0, np.float32))}


def test_log_density_is_that_of_numpyros_own_class():
    def theirs(counts):
        with numpyro.plate("genes", GENES, dim=-1):
            log_mu = numpyro.sample("log_mu", dist.Normal(0, 3))
            log_theta = numpyro.sample("log_theta", dist.Normal(0, 2))
            with numpyro.plate("cells", CELLS, dim=-2):
                nb = dist.NegativeBinomial2(jnp.exp(log_mu), jnp.exp(log_theta))
                numpyro.sample("x", nb, obs=counts)

    ours, _ = log_density(model, (COUNTS,), {}, PARAMETERS)
    np.testing.assert_allclose(ours, log_density(theirs, (COUNTS,), {}, PARAMETERS)[0], rtol=1e-5)


@pytest.mark.quick
def test_mask_hides_cells():
    mask = RNG.random((CELLS, GENES)) < 0.5
    spoiled = np.where(mask, COUNTS, np.float32(1000))
    kept, _ = log_density(model, (COUNTS, mask), {}, PARAMETERS)
    np.testing.assert_allclose(log_density(model, (spoiled, mask), {}, PARAMETERS)[0], kept)


@pytest.mark.slow
def test_subsampling_scales_the_likelihood():
    def subsampled():
        with numpyro.plate("cells", CELLS, subsample_size=30):
            nb = jaxnb.NegativeBinomial(mu=2.0, theta=3.0)
            numpyro.sample("x", nb, obs=COUNTS[:30, 1])

    density, _ = log_density(handlers.seed(subsampled, 0), (), {}, {})
    plain = jaxnb.log_nb_positive(COUNTS[:30, 1], 2.0, 3.0).sum()
    np.testing.assert_allclose(density, CELLS / 30 * plain, rtol=1e-5)


@pytest.mark.slow
def test_svi():
    guide = autoguide.AutoNormal(model)
    svi = SVI(model, guide, optax.adam(0.05), Trace_ELBO())
    result = svi.run(jax.random.key(0), 400, COUNTS, progress_bar=False)
    assert np.isfinite(result.losses).all()
    posterior = guide.sample_posterior(jax.random.key(1), result.params, sample_shape=(400,))
    np.testing.assert_allclose(posterior["log_mu"].mean(0), np.log(TRUE_MU), atol=0.4)


@pytest.mark.slow
def test_predictive_and_log_likelihood_of_every_draw():
    draws = {name: np.stack([value, value + 0.3] * 10) for name, value in PARAMETERS.items()}
    predicted = Predictive(model, draws, parallel=True)(jax.random.key(2))["x"]
    assert predicted.shape == (20, CELLS, GENES)
    assert jnp.issubdtype(predicted.dtype, jnp.integer)
    assert (predicted[0] != predicted[2]).any()
    zeros = (predicted[::2] == 0).mean((0, 1))
    np.testing.assert_allclose(zeros, (COUNTS == 0).mean(0), atol=0.12)
    found = log_likelihood(model, draws, COUNTS)["x"]
    assert found.shape == (20, CELLS, GENES)
    for values, shift in zip(found[:2], (0.0, 0.3), strict=True):
        shifted = {name: value + np.float32(shift) for name, value in PARAMETERS.items()}
        expected = jaxnb.NegativeBinomial(**shifted).log_prob(COUNTS)
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])
def test_predictions_with_either_sort_of_key(make):
    """Of the default kind alone: NumPyro's handlers refuse others, whatever is drawn."""
    draws = {name: np.stack([value] * 3) for name, value in PARAMETERS.items()}
    predicted = Predictive(model, draws)(make(0))["x"]
    assert predicted.shape == (3, CELLS, GENES)
    assert (predicted[0] != predicted[1]).any()


def test_handlers():
    trace = handlers.trace(handlers.seed(model, 0)).get_trace()
    assert trace["x"]["value"].shape == (CELLS, GENES)
    fixed = handlers.condition(handlers.seed(model, 0), {"x": COUNTS})
    assert handlers.trace(fixed).get_trace()["x"]["is_observed"]
    replaced = handlers.substitute(handlers.seed(model, 0), PARAMETERS)
    site = handlers.trace(replaced).get_trace()["x"]
    expected = np.broadcast_to(TRUE_MU, site["fn"].batch_shape)
    np.testing.assert_allclose(site["fn"].mean, expected, rtol=1e-6)


def test_scale_and_block():
    plain, _ = log_density(model, (COUNTS,), {}, PARAMETERS)
    prior, _ = log_density(handlers.block(model, hide=["x"]), (COUNTS,), {}, PARAMETERS)
    halved, _ = log_density(handlers.scale(model, scale=0.5), (COUNTS,), {}, PARAMETERS)
    np.testing.assert_allclose(halved, 0.5 * plain, rtol=1e-6)
    nb = jaxnb.NegativeBinomial(**PARAMETERS)
    np.testing.assert_allclose(plain - prior, nb.log_prob(COUNTS).sum(), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("subsample", "steps"), [(40, 0), (None, 0), (40, 400)])
def test_nested_plates_over_cells_and_genes(subsample, steps):
    """Every gene's mean times every cell's size, inflated by gene; cells in batches or not."""

    def cells_and_genes():
        genes = numpyro.plate("genes", GENES, dim=-1)
        cells = numpyro.plate("cells", CELLS, subsample_size=subsample, dim=-2)
        with genes:
            level = numpyro.sample("level", dist.LogNormal(0, 1))
            zi_logits = numpyro.sample("zi_logits", dist.Normal(-1, 1))
        with cells as chosen:
            size = numpyro.sample("size", dist.Gamma(5.0, 5.0))
        with cells, genes:
            zinb = ZINB(mu=level * size, theta=2.0, zi_logits=zi_logits)
            numpyro.sample("x", zinb, obs=jnp.asarray(COUNTS)[chosen])

    trace = handlers.trace(handlers.seed(cells_and_genes, 0)).get_trace()
    rows = subsample or CELLS
    assert trace["size"]["value"].shape == (rows, 1)
    assert trace["x"]["fn"].batch_shape == (rows, GENES)
    assert trace["x"]["scale"] == (CELLS / subsample if subsample else None)
    if steps:
        guide = autoguide.AutoNormal(cells_and_genes)
        svi = SVI(cells_and_genes, guide, optax.adam(0.02), Trace_ELBO())
        losses = svi.run(jax.random.key(0), steps, progress_bar=False).losses
        assert np.isfinite(losses).all()
        assert losses[-50:].mean() < losses[:50].mean()


@pytest.mark.slow
def test_as_a_component_of_numpyros_mixture():
    components = jaxnb.NegativeBinomial(mu=jnp.array([1.0, 9.0]), theta=2.0)
    mixture = dist.MixtureSameFamily(dist.Categorical(jnp.array([0.3, 0.7])), components)
    ours = jaxnb.NegativeBinomialMixture(1.0, 9.0, 2.0, np.log(0.3 / 0.7))
    x = np.arange(12)
    np.testing.assert_allclose(mixture.log_prob(x), ours.log_prob(x), rtol=1e-5)


@pytest.mark.slow
def test_inflated_by_numpyros_own():
    x = np.arange(12)
    inflated = dist.ZeroInflatedDistribution(jaxnb.NegativeBinomial(mu=3.0, theta=2.0), gate=0.2)
    ours = ZINB(mu=3.0, theta=2.0, zi_probs=0.2)
    np.testing.assert_allclose(inflated.log_prob(x), ours.log_prob(x), rtol=1e-5)


@pytest.mark.slow
def test_parameters_learned_under_their_own_constraints():
    """Half of the cells are empty beside a mean of 50: so is half of the inflation."""
    counts = np.repeat([0, 50], 40)

    def learned():
        parameters = {
            name: numpyro.param(name, start, constraint=ZINB.arg_constraints[name])
            for name, start in {"mu": 30.0, "theta": 5.0, "zi_logits": -2.0}.items()
        }
        with numpyro.plate("cells", len(counts)):
            numpyro.sample("x", ZINB(**parameters), obs=counts)

    svi = SVI(learned, lambda: None, numpyro.optim.Adam(0.05), Trace_ELBO())
    found = svi.run(jax.random.key(0), 500, progress_bar=False).params
    np.testing.assert_allclose(found["mu"], 50, rtol=0.02)
    np.testing.assert_allclose(found["zi_logits"], 0, atol=0.1)


@pytest.mark.slow
def test_inside_a_jitted_training_step():
    def loss(parameters):
        zinb = ZINB(log_mu=parameters["log_mu"], log_theta=parameters["log_theta"], zi_logits=-2.0)
        return -zinb.log_prob(COUNTS).mean()

    parameters = {"log_mu": jnp.zeros(GENES), "log_theta": jnp.zeros(GENES)}
    optimizer = optax.adam(0.1)
    state = optimizer.init(parameters)

    @jax.jit
    def step(parameters, state):
        value, gradient = jax.value_and_grad(loss)(parameters)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(parameters, updates), state, value

    losses = []
    for _ in range(60):
        parameters, state, value = step(parameters, state)
        losses.append(float(value))
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0] - 0.3


GENE_NAMES = ["CST3", "TYROBP", "FCGR3A", "LYZ"]  # many cells without a molecule, or many molecules


@pytest.fixture(scope="module")
def blood():
    """Counts of the genes, and each cell's size against the average one's."""
    data = jaxnb.datasets.pbmc68k()
    columns = [list(data.genes).index(gene) for gene in GENE_NAMES]
    counts = data.counts[:, columns].toarray()
    dtype = jnp.result_type(float)
    return counts, (data.total_counts / data.total_counts.mean()).astype(dtype)[:, None]


@pytest.mark.slow
def test_posterior_predictive_share_of_zeros(blood):
    """A zero-inflated model of real counts predicts as many zeros as there are."""
    counts, size = blood

    def inflated(size, counts=None):
        with numpyro.plate("genes", len(GENE_NAMES), dim=-1):
            log_level = numpyro.sample("log_level", dist.Normal(1, 2))
            log_theta = numpyro.sample("log_theta", dist.Normal(0, 2))
            zi_logits = numpyro.sample("zi_logits", dist.Normal(0, 2))
            log_mu = log_level + jnp.log(size)
            zinb = ZINB(log_mu=log_mu, log_theta=log_theta, zi_logits=zi_logits)
            with numpyro.plate("cells", len(size), dim=-2):
                numpyro.sample("x", zinb, obs=counts)

    # With two explanations of the zeros there are two modes: a fixed start, for both dtypes.
    start = init_to_value(
        values={"log_level": jnp.full(4, 3.0), "log_theta": jnp.ones(4), "zi_logits": jnp.zeros(4)}
    )
    guide = autoguide.AutoLaplaceApproximation(inflated, init_loc_fn=start)
    svi = SVI(inflated, guide, optax.adam(0.05), Trace_ELBO())
    found = svi.run(jax.random.key(0), 500, size, counts, progress_bar=False).params
    posterior = guide.sample_posterior(jax.random.key(1), found, sample_shape=(200,))
    draws = Predictive(inflated, posterior)(jax.random.key(2), size)["x"]
    predicted = np.asarray((draws == 0).mean(1))
    share = (counts == 0).mean(0)
    low, high = np.quantile(predicted, [0.05, 0.95], axis=0)
    assert ((low <= share) & (share <= high)).all()
    np.testing.assert_allclose(predicted.mean(0), share, atol=0.02)


@pytest.mark.slow
def test_poisson_counts_would_not_predict_them(blood):
    counts, size = blood
    expected = np.exp(jaxnb.log_nb_positive(0, counts.mean(0) * size, np.inf)).mean(0)
    assert (expected < (counts == 0).mean(0) - 0.1).all()
