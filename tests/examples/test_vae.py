"""The autoencoder learns real counts, from sound and from hopeless starts."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from examples import vae
from jax.scipy.special import gammaln

import jaxnb


@pytest.fixture(scope="module")
def counts():
    return jaxnb.datasets.pbmc68k().counts.toarray().astype(jnp.result_type(float))


@pytest.fixture(scope="module")
def genes_alone():
    """Log-likelihood of a cell under the best negative binomial of every gene by itself."""
    counts = jaxnb.datasets.pbmc68k().counts
    fits = jaxnb.fit.fit_nb(counts, counts.sum(axis=1))
    return np.asarray(fits.log_likelihood).sum() / counts.shape[0]


def autoencoder(counts, *, zero_inflated=False):
    return vae.VAE(counts.shape[1], key=jax.random.key(0), zero_inflated=zero_inflated)


@pytest.mark.slow
def test_the_bound_rises(counts):
    """A hundred steps on the 60 genes with the most molecules, with additional zeros."""
    counts = counts[:, np.argsort(counts.sum(0))[-60:]]
    model = autoencoder(counts, zero_inflated=True)
    trained, elbos = vae.train(model, counts, jax.random.key(1), steps=100, batch=64)
    assert np.isfinite(elbos).all()
    assert elbos[-10:].mean() > elbos[:10].mean() + 20
    cell = trained.decoder(jnp.zeros(10, elbos.dtype), counts[0].sum())
    np.testing.assert_allclose(cell.get_normalized("scale").sum(), 1, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("zero_inflated", [False, True])
def test_the_bound_rises_above_what_genes_alone_explain(counts, genes_alone, zero_inflated):
    model = autoencoder(counts, zero_inflated=zero_inflated)
    trained, elbos = vae.train(model, counts, jax.random.key(1), steps=2000, learning_rate=1e-2)
    assert np.isfinite(elbos).all()
    assert elbos[-100:].mean() > elbos[:10].mean() + 200
    assert elbos[-100:].mean() > genes_alone
    cell = trained.decoder(jnp.zeros(10, elbos.dtype), counts[0].sum())
    np.testing.assert_allclose(cell.get_normalized("scale").sum(), 1, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("zero_inflated", [False, True])
def test_no_nan_at_a_learning_rate_beyond_reason(counts, zero_inflated):
    """Adam at 0.03 wanders, but every number on the way is one."""
    model = autoencoder(counts, zero_inflated=zero_inflated)
    trained, elbos = vae.train(model, counts, jax.random.key(1), steps=2000, learning_rate=3e-2)
    assert np.isfinite(elbos).all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(trained) if eqx.is_array(leaf))
    assert elbos[-100:].mean() > elbos[:10].mean()


class Textbook(NamedTuple):
    """The negative binomial as scVI writes it, difference of log-gammas and all."""

    mu: jax.Array
    theta: jax.Array

    def log_prob(self, x, eps=1e-8):
        log_sum = jnp.log(self.theta + self.mu + eps)
        powers = self.theta * (jnp.log(self.theta + eps) - log_sum)
        powers += x * (jnp.log(self.mu + eps) - log_sum)
        return powers + gammaln(x + self.theta) - gammaln(self.theta) - gammaln(x + 1)


class TextbookDecoder(vae.Decoder):
    def __call__(self, state, library):
        plain = super().__call__(state, library)
        return Textbook(plain.mu, plain.theta)


def in_the_poisson_limit(log_theta, decoder):
    """An untrained float32 model with every inverse dispersion at the same large value."""
    counts = jaxnb.datasets.pbmc68k().counts.toarray().astype(np.float32)
    model = autoencoder(counts)
    key = jax.random.split(jax.random.key(0))[1]
    model = eqx.tree_at(
        lambda model: model.decoder,
        model,
        decoder(counts.shape[1], 10, 64, zero_inflated=False, key=key),
    )
    theta = jnp.full(counts.shape[1], log_theta, np.float32)
    return eqx.tree_at(lambda model: model.decoder.log_theta, model, theta), counts


@pytest.mark.quick
@pytest.mark.slow
def test_textbook_formula_bounds_nothing_in_the_poisson_limit():
    """A log-probability of counts cannot be positive; at log theta = 20 the textbook's is."""
    with jax.enable_x64(False):
        losses = {
            decoder: eqx.filter_jit(vae.loss)(
                *in_the_poisson_limit(20.0, decoder), jax.random.key(0)
            )
            for decoder in (vae.Decoder, TextbookDecoder)
        }
    assert losses[vae.Decoder] > 0
    assert losses[TextbookDecoder] < 0


@pytest.mark.slow
def test_dispersion_comes_back_from_the_poisson_limit_where_the_textbooks_does_not():
    medians = {}
    with jax.enable_x64(False):
        for decoder in (vae.Decoder, TextbookDecoder):
            model, counts = in_the_poisson_limit(12.0, decoder)
            trained, _ = vae.train(model, counts, jax.random.key(1), steps=1000)
            medians[decoder] = np.median(trained.decoder.log_theta)
    assert medians[vae.Decoder] < 5
    assert medians[TextbookDecoder] > 11
