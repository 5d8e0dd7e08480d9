"""The negative binomial log-likelihood."""

from __future__ import annotations

from functools import partial
from typing import Final

import jax
import jax.numpy as jnp

from jaxnb._names import keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods import primitives
from jaxnb.likelihoods.arguments import Scales, floor_of, promote
from jaxnb.likelihoods.calls import log_probability
from jaxnb.likelihoods.evaluate import VALUE, Arguments, Directions, Likelihood, dot
from jaxnb.likelihoods.nb_evaluation import NegativeBinomial
from jaxnb.likelihoods.ranges import ordinary

__all__ = ["NEGATIVE_BINOMIAL", "compiled_nb", "log_nb", "log_nb_positive"]


@keywords
def log_nb_positive(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    eps: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    r"""Log-probability of counts under a negative binomial distribution with mean mu.

    .. math::

        \log\mathrm{NB}(x; \mu, \theta) = \log\frac{\Gamma(x+\theta)}{\Gamma(\theta)\,\Gamma(x+1)}
            + \theta\log\frac{\theta}{\theta+\mu} + x\log\frac{\mu}{\theta+\mu}

    with variance :math:`\mu + \mu^2/\theta`, extended to real counts by the gamma function. The
    arguments broadcast; nothing is reshaped. Each parameter is passed directly or as its natural
    logarithm.

    Args:
        x: Counts, of any real, integer or boolean dtype. Whole numbers are evaluated fastest.
        mu: Mean, in counts, mu >= 0.
        theta: Inverse dispersion, theta >= 0. Infinity is the Poisson distribution, 0 a point mass
            at zero.
        eps: Floor on the mean, eps >= 0: a smaller mean is scored as eps, and the derivative in it
            is 0. None for a floor near the lower end of the dtype, 1e-30 in float32 and 1e-290 in
            float64, down to which means are exact; 0 for no floor. A mean given as `log_mu` needs
            no floor and has none by default.
        log_mu: log(mu), instead of `mu`. The computation stays on the log scale: exact, with
            bounded derivatives, also where mu itself would under- or overflow.
        log_theta: log(theta), instead of `theta`.

    Returns:
        Log-probabilities in the dtype that the floating arguments promote to (float16 and bfloat16
        are computed in float32). -inf for x < 0, for mu = inf, and for x > 0 where mu or theta is
        0; NaN where an argument is NaN or a parameter negative. Derivatives of any order in the
        parameters, in closed form up to the second; those in x are computed only if asked for.
        Outside the support every derivative is 0; one that would overflow is the largest number of
        the dtype. Derivatives in theta and its logarithm are 0 for theta beyond 2**99 and means up
        to 2**70 (2**798 and 2**500 in float64), and that in `log_theta` underflows where the one in
        theta does.

    Raises:
        TypeError: A parameter is given on no scale or on both; an argument is complex, or a
            sparse matrix, a table or a tensor.
        ValueError: The shapes do not broadcast.

    Accuracy, in units of ``max(1, abs(value)) * 2**-23`` (float32, ``2**-52`` in float64), over
    thetas from 1e-6 to 1e10, means from 1e-8 to 1e7 and counts up to 1e6: at most 3.3, and
    1.5 at the 99th percentile. First derivatives are within 2.5 units of what one rounding of the
    arguments would do. Counts that are not whole, from 0.001 on with means from 0.01 to 100 and
    thetas from 0.05 to 1e6: at most 4, and first and second derivatives to a relative 3e-5 at the
    99th percentile (`tests/likelihoods/test_accuracy.py`). Next to 0 such counts have no digits of
    a theta below 2**-50, nor of a subnormal mean. A mean given by its logarithm carries the
    rounding of its exponential, at most what one rounding of `log_mu` does where
    abs(log_mu) >= 1.

    References:
        Loader (2000), Fast and accurate computation of binomial probabilities, equation 3.
        Lopez et al. (2018), Deep generative modeling for single-cell transcriptomics, for the
        mean and inverse-dispersion form.
    """
    given = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    return log_probability(compiled_nb, "log_nb_positive", x, eps, **given)


@partial(jax.jit, static_argnums=0)
def compiled_nb(
    scales: Scales, x: ArrayLike, mu: ArrayLike, theta: ArrayLike, eps: ArrayLike | None
) -> Array:
    """The log-probability of arguments that are checked."""
    result_type, (x, mu, theta) = promote(x=x, mu=mu, theta=theta)
    floor = floor_of(eps, mu.dtype, scales[0])
    return log_nb(x, mu, theta, floor, scales).astype(result_type)


def _ordinary(scales: Scales, x: Array, parameters: tuple[Array, ...], eps: Array) -> Array:
    mu, theta = parameters
    return ordinary(scales, x, mu, theta, eps)


def _at(at: Arguments) -> NegativeBinomial:
    mu, theta = at.parameters
    return NegativeBinomial(at.scales, at.x, mu, theta, at.eps, at.thetas[0])


def _first(at: Arguments, outputs: tuple[int, ...]) -> list[Array]:
    nb = _at(at)
    return [nb.value() if place == VALUE else nb.first(place) for place in outputs]


def _product(at: Arguments, rows: tuple[int, ...], directions: Directions) -> list[Array]:
    nb = _at(at)
    return [
        jnp.asarray(dot({place: nb.second(row, place) for place in directions}, directions))
        for row in rows
    ]


NEGATIVE_BINOMIAL: Final = Likelihood("negative binomial", (1,), _ordinary, _first, _product)


def log_nb(
    x: Array, mu: Array, theta: Array, eps: Array, scales: Scales = ("linear",) * 2
) -> Array:
    """`log_nb_positive` of arguments that are cast to one dtype and aligned."""
    return primitives.value(NEGATIVE_BINOMIAL, x, mu, theta, eps, scales)
