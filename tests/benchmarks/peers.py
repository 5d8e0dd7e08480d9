"""The same log-likelihoods from other libraries, for the benchmarks.

Every function takes the arguments of its jaxnb counterpart. Libraries that are not installed are
left out; `absent` says which.
"""

import importlib.util
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
import scipy.stats
from jax.scipy.special import gammaln

import jaxnb

JAXNB = {
    "nb": jaxnb.log_nb_positive,
    "zinb": jaxnb.log_zinb_positive,
    "mixture": jaxnb.log_mixture_nb,
}


def _numpyro_nb(x, mu, theta):
    return dist.NegativeBinomial2(mu, theta).log_prob(x)


def _numpyro_zinb(x, mu, theta, pi):
    return dist.ZeroInflatedNegativeBinomial2(mu, theta, gate_logits=pi).log_prob(x)


def _numpyro_mixture(x, mu_1, mu_2, theta_1, theta_2, q):
    first = jax.nn.log_sigmoid(q) + _numpyro_nb(x, mu_1, theta_1)
    return jnp.logaddexp(first, jax.nn.log_sigmoid(-q) + _numpyro_nb(x, mu_2, theta_2))


def _formula_nb(x, mu, theta, eps=1e-8):
    log_total = jnp.log(theta + mu + eps)
    return (
        theta * (jnp.log(theta + eps) - log_total)
        + x * (jnp.log(mu + eps) - log_total)
        + gammaln(x + theta)
        - gammaln(theta)
        - gammaln(x + 1)
    )


def _formula_zinb(x, mu, theta, pi, eps=1e-8):
    log_nb = _formula_nb(x, mu, theta, eps)
    at_zero = jax.nn.softplus(_formula_nb(jnp.zeros_like(x), mu, theta, eps) - pi)
    return jnp.where(x < eps, at_zero - jax.nn.softplus(-pi), log_nb - jax.nn.softplus(pi))


def _formula_mixture(x, mu_1, mu_2, theta_1, theta_2, q, eps=1e-8):
    first, second = _formula_nb(x, mu_1, theta_1, eps), _formula_nb(x, mu_2, theta_2, eps)
    return jnp.logaddexp(first, second - q) - jax.nn.softplus(-q)


def jax_peers() -> dict[str, dict[str, Callable]]:
    """Library -> distribution -> function of JAX arrays."""
    return {
        "NumPyro": {"nb": _numpyro_nb, "zinb": _numpyro_zinb, "mixture": _numpyro_mixture},
        "scVI formula in jnp": {
            "nb": _formula_nb,
            "zinb": _formula_zinb,
            "mixture": _formula_mixture,
        },
    }


def scvi_torch() -> dict[str, Callable]:
    """Distribution -> scvi-tools' own function of torch tensors; empty if it is not installed."""
    if absent():
        return {}
    scvi = importlib.import_module("scvi.distributions._negative_binomial")
    return {
        "nb": scvi.log_nb_positive,
        "zinb": scvi.log_zinb_positive,
        "mixture": scvi.log_mixture_nb,
    }


def scipy_nb(x, mu, theta):
    """SciPy's, in float64."""
    return scipy.stats.nbinom.logpmf(x, theta, theta / (theta + mu))


def absent() -> list[str]:
    """Optional libraries that are not installed."""
    return [name for name in ("torch", "scvi") if importlib.util.find_spec(name) is None]
