"""The log-likelihood of one column of counts in coordinates that an optimiser can move in."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.likelihoods import log_nb_positive, log_zinb_positive

__all__ = ["boundary_scores", "log_likelihood", "log_likelihood_terms", "natural_parameters"]

# Partial sums of this many terms leave the device; the host adds them in float64.
_TERMS_PER_SUM = 32


def natural_parameters(point: Array) -> tuple[Array, Array, Array]:
    """Mean, theta and zi_logits at the point (log overall mean, log theta, zi_logits).

    The overall mean (1 − σ(zi_logits)) · mean is what the data say directly: it hardly moves while
    inflation and dispersion are traded for each other, which the mean of the count law does. Steps
    in it take half as many Newton iterations.

    log theta = +inf is the Poisson boundary and zi_logits = −inf the no-inflation boundary.
    Derivatives in a coordinate that sits there are exactly zero: it does not move.
    """
    at_poisson, no_inflation = jnp.isinf(point[1]), jnp.isinf(point[2])
    # exp is evaluated at a finite stand-in: its derivative at +inf would turn 0 · inf into NaN.
    theta = jnp.where(at_poisson, jnp.inf, jnp.exp(jnp.where(at_poisson, 0, point[1])))
    zi_logits = jnp.where(no_inflation, -jnp.inf, point[2])
    # softplus(zi_logits) = −log(1 − σ(zi_logits)).
    return jnp.exp(point[0] + jax.nn.softplus(zi_logits)), theta, zi_logits


def log_likelihood(point: Array, x: Array, size_factors: Array) -> Array:
    """Log-likelihood of a column under ZINB(size_factors · mean, theta, zi_logits), a scalar."""
    return jnp.sum(_terms(point, x, size_factors))


def log_likelihood_terms(point: Array, x: Array, size_factors: Array) -> Array:
    """The same in partial sums of 32 rows, to be added in float64 by the host.

    A float32 total of −2000 is only good to 1e-4, too coarse for likelihood ratios; the single
    terms are good to a few 1e-7.
    """
    terms = _terms(point, x, size_factors)
    padded = jnp.pad(terms, (0, -terms.size % _TERMS_PER_SUM))
    return jnp.sum(padded.reshape(-1, _TERMS_PER_SUM), axis=1)


def boundary_scores(point: Array, x: Array, size_factors: Array) -> Array:
    """Derivatives of the log-likelihood into the parameter space, from the two boundaries.

    With α = 1/θ and p = σ(zi_logits), shape ``(2,)``:

    * ∂α at α = 0, where ∂α log NB(x; μ, 1/α) = ½((x−μ)² − x), weighted by the posterior
      probability that a zero comes from the count law;
    * ∂p at p = 0, = Σ over zeros of 1/NB(0; μ, θ), less the number of rows.

    At a maximum over the other parameters, a positive derivative means that the boundary is not
    the maximum. Each is meaningful only where `point` sits on that boundary. One that is no larger
    than its rounding is returned as 0.
    """
    mean, theta, zi_logits = natural_parameters(point)
    mu = size_factors * mean
    log_zero = log_nb_positive(jnp.zeros_like(x), mu, theta, 0.0)
    from_counts = jnp.where(x == 0, jax.nn.sigmoid(log_zero - zi_logits), 1)
    towards_dispersion = from_counts * 0.5 * ((x - mu) ** 2 - x)
    towards_inflation = jnp.where(x == 0, jnp.expm1(-log_zero), -1)
    return jnp.stack([_significant_sum(towards_dispersion), _significant_sum(towards_inflation)])


def _significant_sum(terms: Array) -> Array:
    total = jnp.sum(terms)
    rounding = 4 * float(np.finfo(terms.dtype).eps) * jnp.sum(jnp.abs(terms))
    return jnp.where(jnp.abs(total) > rounding, total, 0)


def _terms(point: Array, x: Array, size_factors: Array) -> Array:
    mean, theta, zi_logits = natural_parameters(point)
    # eps = 0: the mean is positive by construction, and a floor would bend the likelihood.
    terms: Array = log_zinb_positive(x, size_factors * mean, theta, zi_logits, 0.0)
    return terms
