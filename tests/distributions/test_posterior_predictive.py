"""A zero-inflated model of real counts predicts as many zeros as there are."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.infer import MCMC, NUTS, Predictive

import jaxnb

GENES = ["CST3", "TYROBP", "FCGR3A", "LYZ"]  # many cells without a molecule, the others with many


@pytest.fixture(scope="module")
def blood():
    """Counts of the genes, and each cell's size against the average one's."""
    data = jaxnb.datasets.pbmc68k()
    columns = [list(data.genes).index(gene) for gene in GENES]
    counts = data.counts[:, columns].toarray()
    dtype = jnp.result_type(float)
    return counts, (data.total_counts / data.total_counts.mean()).astype(dtype)[:, None]


def model(size, counts=None):
    with numpyro.plate("genes", len(GENES), dim=-1):
        level = numpyro.sample("level", dist.LogNormal(1, 2))
        theta = numpyro.sample("theta", dist.LogNormal(0, 2))
        zi_logits = numpyro.sample("zi_logits", dist.Normal(0, 2))
        law = jaxnb.ZeroInflatedNegativeBinomial(
            mu=level * size, theta=theta, zi_logits=zi_logits, eps=0.0
        )
        with numpyro.plate("cells", len(size), dim=-2):
            numpyro.sample("x", law, obs=counts)


def predicted_zeros(counts, size):
    """The share of cells without a molecule of each gene, in every posterior draw."""
    mcmc = MCMC(NUTS(model), num_warmup=300, num_samples=300, progress_bar=False)
    mcmc.run(jax.random.key(0), size, counts)
    draws = Predictive(model, mcmc.get_samples())(jax.random.key(1), size)["x"]
    return np.asarray((draws == 0).mean(1))


def test_posterior_predictive_share_of_zeros(blood):
    counts, size = blood
    share = (counts == 0).mean(0)
    predicted = predicted_zeros(counts, size)
    low, high = np.quantile(predicted, [0.05, 0.95], axis=0)
    assert ((low <= share) & (share <= high)).all()
    np.testing.assert_allclose(predicted.mean(0), share, atol=0.02)


def test_poisson_counts_would_not_predict_them(blood):
    counts, size = blood
    expected = np.exp(jaxnb.log_nb_positive(0, counts.mean(0) * size, np.inf)).mean(0)
    assert (expected < (counts == 0).mean(0) - 0.1).all()
