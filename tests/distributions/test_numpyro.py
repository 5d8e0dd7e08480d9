"""The distributions inside NumPyro: handlers, plates, SVI, NUTS, Predictive."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax
import pytest
from numpyro import handlers
from numpyro.infer import MCMC, NUTS, SVI, Predictive, Trace_ELBO, autoguide, log_likelihood
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
            law = jaxnb.NegativeBinomial(mu=jnp.exp(log_mu), theta=jnp.exp(log_theta))
            return numpyro.sample("x", law, obs=counts)


PARAMETERS = {"log_mu": np.log(TRUE_MU), "log_theta": np.log(np.full(GENES, 3.0, np.float32))}


def test_log_density_is_that_of_numpyros_own_class():
    def theirs(counts):
        with numpyro.plate("genes", GENES, dim=-1):
            log_mu = numpyro.sample("log_mu", dist.Normal(0, 3))
            log_theta = numpyro.sample("log_theta", dist.Normal(0, 2))
            with numpyro.plate("cells", CELLS, dim=-2):
                law = dist.NegativeBinomial2(jnp.exp(log_mu), jnp.exp(log_theta))
                numpyro.sample("x", law, obs=counts)

    ours, _ = log_density(model, (COUNTS,), {}, PARAMETERS)
    np.testing.assert_allclose(ours, log_density(theirs, (COUNTS,), {}, PARAMETERS)[0], rtol=1e-5)


def test_mask_hides_cells():
    mask = RNG.random((CELLS, GENES)) < 0.5
    spoiled = np.where(mask, COUNTS, 1000)
    kept, _ = log_density(model, (COUNTS, mask), {}, PARAMETERS)
    np.testing.assert_allclose(log_density(model, (spoiled, mask), {}, PARAMETERS)[0], kept)


def test_subsampling_scales_the_likelihood():
    def subsampled():
        with numpyro.plate("cells", CELLS, subsample_size=30):
            law = jaxnb.NegativeBinomial(mu=2.0, theta=3.0)
            numpyro.sample("x", law, obs=COUNTS[:30, 1])

    density, _ = log_density(handlers.seed(subsampled, 0), (), {}, {})
    plain = jaxnb.log_nb_positive(COUNTS[:30, 1], 2.0, 3.0).sum()
    np.testing.assert_allclose(density, CELLS / 30 * plain, rtol=1e-5)


@pytest.mark.parametrize("guide", [autoguide.AutoNormal, autoguide.AutoLaplaceApproximation])
def test_svi(guide):
    fitted = guide(model)
    svi = SVI(model, fitted, optax.adam(0.05), Trace_ELBO())
    result = svi.run(jax.random.key(0), 600, COUNTS, progress_bar=False)
    assert np.isfinite(result.losses).all()
    posterior = fitted.sample_posterior(jax.random.key(1), result.params, sample_shape=(400,))
    np.testing.assert_allclose(posterior["log_mu"].mean(0), np.log(TRUE_MU), atol=0.4)


def test_nuts_and_predictive():
    mcmc = MCMC(NUTS(model), num_warmup=200, num_samples=200, progress_bar=False)
    mcmc.run(jax.random.key(0), COUNTS)
    draws = mcmc.get_samples()
    assert mcmc.get_extra_fields()["diverging"].sum() == 0
    np.testing.assert_allclose(draws["log_mu"].mean(0), np.log(TRUE_MU), atol=0.4)
    for parallel in (False, True):
        predicted = Predictive(model, draws, parallel=parallel)(jax.random.key(2))["x"]
        assert predicted.shape == (200, CELLS, GENES)
        assert jnp.issubdtype(predicted.dtype, jnp.integer)
    zeros = (predicted == 0).mean((0, 1))
    np.testing.assert_allclose(zeros, (COUNTS == 0).mean(0), atol=0.12)
    assert log_likelihood(model, draws, COUNTS)["x"].shape == (200, CELLS, GENES)


def test_handlers():
    trace = handlers.trace(handlers.seed(model, 0)).get_trace()
    assert trace["x"]["value"].shape == (CELLS, GENES)
    fixed = handlers.condition(handlers.seed(model, 0), {"x": COUNTS})
    assert handlers.trace(fixed).get_trace()["x"]["is_observed"]
    replaced = handlers.substitute(handlers.seed(model, 0), PARAMETERS)
    site = handlers.trace(replaced).get_trace()["x"]
    np.testing.assert_allclose(site["fn"].mean, np.broadcast_to(TRUE_MU, site["fn"].batch_shape))


def test_scale_and_block():
    plain, _ = log_density(model, (COUNTS,), {}, PARAMETERS)
    prior, _ = log_density(handlers.block(model, hide=["x"]), (COUNTS,), {}, PARAMETERS)
    halved, _ = log_density(handlers.scale(model, scale=0.5), (COUNTS,), {}, PARAMETERS)
    np.testing.assert_allclose(halved, 0.5 * plain, rtol=1e-6)
    law = jaxnb.NegativeBinomial(mu=TRUE_MU, theta=3.0)
    np.testing.assert_allclose(plain - prior, law.log_prob(COUNTS).sum(), rtol=1e-5)


def test_log_likelihood_is_that_of_every_draw():
    draws = {name: np.stack([value, value + 0.3]) for name, value in PARAMETERS.items()}
    found = log_likelihood(model, draws, COUNTS)["x"]
    for values, log_mu, log_theta in zip(found, draws["log_mu"], draws["log_theta"], strict=True):
        law = jaxnb.NegativeBinomial(mu=np.exp(log_mu), theta=np.exp(log_theta))
        np.testing.assert_allclose(values, law.log_prob(COUNTS), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("subsample", [None, 40])
def test_nested_plates_over_cells_and_genes(subsample):
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
            law = jaxnb.ZeroInflatedNegativeBinomial(
                mu=level * size, theta=2.0, zi_logits=zi_logits
            )
            numpyro.sample("x", law, obs=jnp.asarray(COUNTS)[chosen])

    trace = handlers.trace(handlers.seed(cells_and_genes, 0)).get_trace()
    rows = subsample or CELLS
    assert trace["size"]["value"].shape == (rows, 1)
    assert trace["x"]["fn"].batch_shape == (rows, GENES)
    assert trace["x"]["scale"] == (CELLS / subsample if subsample else None)
    fitted = autoguide.AutoNormal(cells_and_genes)
    svi = SVI(cells_and_genes, fitted, optax.adam(0.02), Trace_ELBO())
    losses = svi.run(jax.random.key(0), 500, progress_bar=False).losses
    assert np.isfinite(losses).all()
    assert losses[-50:].mean() < losses[:50].mean()


@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])
def test_predictions_with_either_sort_of_key(make):
    """Of the default kind alone: NumPyro's handlers refuse others, whatever is drawn."""
    draws = {name: np.stack([value] * 3) for name, value in PARAMETERS.items()}
    predicted = Predictive(model, draws)(make(0))["x"]
    assert predicted.shape == (3, CELLS, GENES)
    assert (predicted[0] != predicted[1]).any()


def test_as_a_component_of_numpyros_own():
    components = jaxnb.NegativeBinomial(mu=jnp.array([1.0, 9.0]), theta=2.0)
    mixture = dist.MixtureSameFamily(dist.Categorical(jnp.array([0.3, 0.7])), components)
    ours = jaxnb.NegativeBinomialMixture(1.0, 9.0, 2.0, np.log(0.3 / 0.7))
    x = np.arange(12)
    np.testing.assert_allclose(mixture.log_prob(x), ours.log_prob(x), rtol=1e-5)
    inflated = dist.ZeroInflatedDistribution(jaxnb.NegativeBinomial(mu=3.0, theta=2.0), gate=0.2)
    ours = jaxnb.ZeroInflatedNegativeBinomial(mu=3.0, theta=2.0, zi_probs=0.2)
    np.testing.assert_allclose(inflated.log_prob(x), ours.log_prob(x), rtol=1e-5)


def test_inside_a_jitted_training_step():
    def loss(parameters):
        law = jaxnb.ZeroInflatedNegativeBinomial(
            mu=jnp.exp(parameters["mu"]), theta=jnp.exp(parameters["theta"]), zi_logits=-2.0
        )
        return -law.log_prob(COUNTS).mean()

    parameters = {"mu": jnp.zeros(GENES), "theta": jnp.zeros(GENES)}
    optimiser = optax.adam(0.1)
    state = optimiser.init(parameters)

    @jax.jit
    def step(parameters, state):
        value, slopes = jax.value_and_grad(loss)(parameters)
        updates, state = optimiser.update(slopes, state)
        return optax.apply_updates(parameters, updates), state, value

    losses = []
    for _ in range(60):
        parameters, state, value = step(parameters, state)
        losses.append(float(value))
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0] - 0.3
