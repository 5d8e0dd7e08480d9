"""The three log-likelihoods on torch tensors."""

from collections.abc import Callable

from torch import Tensor

from jaxnb.torch_bridge.arguments import broadcastable, cast, common_dtype, working_dtype
from jaxnb.torch_bridge.pointwise import evaluate

__all__ = ["log_mixture_nb", "log_nb_positive", "log_zinb_positive"]

_Unused = Callable[[Tensor], Tensor] | None


def log_nb_positive(
    x: Tensor,
    mu: Tensor | float,
    theta: Tensor | float,
    eps: float = 1e-8,
    log_fn: _Unused = None,
    lgamma_fn: _Unused = None,
) -> Tensor:
    r"""Log-probability of counts under a negative binomial law, as `jaxnb.log_nb_positive`.

    The formula, the domain, the edges and the accuracy are those of `jaxnb.log_nb_positive`.

    Args:
        x: Counts, of any real, integer or boolean dtype.
        mu: Mean, >= 0.
        theta: Inverse dispersion, >= 0.
        eps: Floor on the mean, a number.
        log_fn: Ignored; taken for the sake of callers of scvi-tools' function.
        lgamma_fn: Ignored, likewise.

    Returns:
        A tensor of the shape that the arguments broadcast to, on their device, in the dtype that
        the floating ones promote to by torch's rules. It can be differentiated in every floating
        argument, in reverse and forward mode, to any order.

    Raises:
        TypeError: An argument is complex, sparse or quantized, or none is a tensor.
        ValueError: The shapes do not broadcast, or the tensors are on different devices.
        RuntimeError: JAX has no such device, or this process was forked from one that ran JAX.
    """
    return _log_likelihood("log_nb_positive", eps, x=x, mu=mu, theta=theta)


def log_zinb_positive(
    x: Tensor,
    mu: Tensor | float,
    theta: Tensor | float,
    pi: Tensor | float,
    eps: float = 1e-8,
    log_fn: _Unused = None,
    lgamma_fn: _Unused = None,
) -> Tensor:
    """Log-probability of counts under a zero-inflated negative binomial law.

    As `jaxnb.log_zinb_positive`, on tensors; see `log_nb_positive` for what is common to both.

    Args:
        x: Counts.
        mu: Mean of the negative binomial part, >= 0.
        theta: Inverse dispersion, >= 0.
        pi: Log-odds of an extra zero.
        eps: Floor on the mean, a number.
        log_fn: Ignored.
        lgamma_fn: Ignored.

    Returns:
        As `log_nb_positive`.
    """
    return _log_likelihood("log_zinb_positive", eps, x=x, mu=mu, theta=theta, pi=pi)


def log_mixture_nb(
    x: Tensor,
    mu_1: Tensor | float,
    mu_2: Tensor | float,
    theta_1: Tensor | float,
    theta_2: Tensor | float | None,
    pi_logits: Tensor | float,
    eps: float = 1e-8,
    log_fn: _Unused = None,
    lgamma_fn: _Unused = None,
) -> Tensor:
    """Log-probability of counts under a mixture of two negative binomials.

    As `jaxnb.log_mixture_nb`, on tensors; see `log_nb_positive` for what is common to both.

    Args:
        x: Counts.
        mu_1: Mean of component 1, >= 0.
        mu_2: Mean of component 2, >= 0.
        theta_1: Inverse dispersion of component 1, >= 0.
        theta_2: Inverse dispersion of component 2; None for that of component 1.
        pi_logits: Log-odds of component 1.
        eps: Floor on both means, a number.
        log_fn: Ignored.
        lgamma_fn: Ignored.

    Returns:
        As `log_nb_positive`.
    """
    means = {"mu_1": mu_1, "mu_2": mu_2}
    if theta_2 is None:
        name, thetas = "log_mixture_nb_of_one_theta", {"theta_1": theta_1}
    else:
        name, thetas = "log_mixture_nb", {"theta_1": theta_1, "theta_2": theta_2}
    return _log_likelihood(name, eps, x=x, **means, **thetas, pi_logits=pi_logits)


def _log_likelihood(name: str, eps: float, **arguments: Tensor | float) -> Tensor:
    result_type = common_dtype(name.removesuffix("_of_one_theta"), arguments)
    tensors = cast(arguments, working_dtype(result_type))
    broadcastable(tensors)
    return evaluate(name, list(tensors.values()), float(eps)).to(result_type)
