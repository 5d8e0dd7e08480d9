"""A variational autoencoder of single-cell counts, in equinox and optax.

The model is that of scVI (Lopez et al. 2018) without batches: a cell's state z is standard normal,
a network turns it into each gene's share of the cell's molecules, and the counts are negative
binomial around share times library size, with one inverse dispersion per gene and, if wanted, with
additional zeros. A second network guesses z from the counts; both learn by the evidence lower
bound (ELBO).
"""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
import optax
from jax import Array, lax

import jaxnb


class Encoder(eqx.Module):
    """From counts to a normal distribution of the cell's state."""

    network: eqx.nn.MLP

    def __init__(self, genes: int, latent: int, hidden: int, *, key: Array) -> None:
        self.network = eqx.nn.MLP(genes, 2 * latent, hidden, depth=1, key=key)

    def __call__(self, counts: Array) -> dist.Normal:
        location, spread = jnp.split(self.network(jnp.log1p(counts)), 2)
        return dist.Normal(location, jax.nn.softplus(spread) + 1e-4)


class Decoder(eqx.Module):
    """From the cell's state to the distribution of its counts."""

    network: eqx.nn.MLP
    zeros: eqx.nn.MLP | None
    log_theta: Array

    def __init__(
        self, genes: int, latent: int, hidden: int, *, zero_inflated: bool, key: Array
    ) -> None:
        shares_key, zeros_key = jax.random.split(key)
        mlp = partial(eqx.nn.MLP, latent, genes, hidden, depth=1)
        self.network = mlp(key=shares_key)
        self.zeros = mlp(key=zeros_key) if zero_inflated else None
        self.log_theta = jnp.zeros(genes)

    def __call__(
        self, state: Array, library: Array
    ) -> jaxnb.NegativeBinomial | jaxnb.ZeroInflatedNegativeBinomial:
        shares = jax.nn.softmax(self.network(state))
        mu, theta = library * shares, jnp.exp(self.log_theta)
        if self.zeros is None:
            return jaxnb.NegativeBinomial(mu=mu, theta=theta, scale=shares)
        zi_logits = self.zeros(state)
        return jaxnb.ZeroInflatedNegativeBinomial(
            mu=mu, theta=theta, zi_logits=zi_logits, scale=shares
        )


class VAE(eqx.Module):
    """An encoder and the decoder that it serves."""

    encoder: Encoder
    decoder: Decoder

    def __init__(
        self,
        genes: int,
        *,
        key: Array,
        latent: int = 10,
        hidden: int = 64,
        zero_inflated: bool = False,
    ) -> None:
        encoder_key, decoder_key = jax.random.split(key)
        self.encoder = Encoder(genes, latent, hidden, key=encoder_key)
        self.decoder = Decoder(genes, latent, hidden, zero_inflated=zero_inflated, key=decoder_key)

    def elbo(self, counts: Array, key: Array) -> Array:
        """The evidence lower bound of one cell, from one draw of its state."""
        posterior = self.encoder(counts)
        state = posterior.rsample(key)
        reconstruction = self.decoder(state, counts.sum()).log_prob(counts).sum()
        return reconstruction - dist.kl_divergence(posterior, dist.Normal(0, 1)).sum()


def loss(model: VAE, counts: Array, key: Array) -> Array:
    """Minus the mean ELBO of a batch of cells."""
    keys = jax.random.split(key, len(counts))
    return -jax.vmap(model.elbo)(counts, keys).mean()


@eqx.filter_jit
def train(
    model: VAE,
    counts: Array,
    key: Array,
    *,
    steps: int = 2000,
    batch: int = 128,
    learning_rate: float = 1e-2,
) -> tuple[VAE, Array]:
    """Adam on minibatches.

    Args:
        model: Where to begin.
        counts: Cells in rows, genes in columns.
        key: Decides on batches and on draws of the state.
        steps: Number of minibatches.
        batch: Cells in each.
        learning_rate: Of Adam.

    Returns:
        The trained model, and the ELBO of every step's batch before the step.
    """
    optimizer = optax.adam(learning_rate)
    parameters, static = eqx.partition(model, eqx.is_inexact_array)

    def step(carry: tuple[VAE, optax.OptState], key: Array) -> tuple[tuple, Array]:
        parameters, state = carry
        cells_key, loss_key = jax.random.split(key)
        cells = jax.random.choice(cells_key, len(counts), (batch,), replace=False)
        value, gradient = eqx.filter_value_and_grad(loss)(
            eqx.combine(parameters, static), counts[cells], loss_key
        )
        updates, state = optimizer.update(gradient, state)
        return (eqx.apply_updates(parameters, updates), state), -value

    start = parameters, optimizer.init(parameters)
    (parameters, _), elbos = lax.scan(step, start, jax.random.split(key, steps))
    return eqx.combine(parameters, static), elbos
