"""The log-likelihoods on torch tensors."""

from collections.abc import Callable
from typing import Unpack

from torch import Tensor

from jaxnb._names import MixtureNames, ZeroInflationName, keywords
from jaxnb.families import (
    HURDLE_NEGATIVE_BINOMIAL,
    NEGATIVE_BINOMIAL,
    NEGATIVE_BINOMIAL_MIXTURE,
    ZERO_INFLATED_NEGATIVE_BINOMIAL,
    ZERO_TRUNCATED_NEGATIVE_BINOMIAL,
    Family,
)
from jaxnb.torch_bridge.arguments import (
    Arguments,
    Value,
    on_scales,
    required,
)
from jaxnb.torch_bridge.pointwise import evaluated

__all__ = [
    "Pairs",
    "log_hurdle_nb",
    "log_mixture_nb",
    "log_nb_positive",
    "log_probability",
    "log_zero_truncated_nb",
    "log_zinb_positive",
]

Pairs = dict[str, tuple[Value | None, Value | None]]
"""Parameters that have two scales: each itself and its logarithm."""

_Unused = Callable[[Tensor], Tensor] | None


@keywords
def log_nb_positive(
    x: Tensor,
    mu: Value | None = None,
    theta: Value | None = None,
    eps: float | None = None,
    log_fn: _Unused = None,
    lgamma_fn: _Unused = None,
    *,
    log_mu: Value | None = None,
    log_theta: Value | None = None,
) -> Tensor:
    r"""Log-probability of counts under a negative binomial, as `jaxnb.log_nb_positive`.

    The formula, the domain, the edges and the accuracy are those of `jaxnb.log_nb_positive`.

    Args:
        x: Counts, of any real, integer or boolean dtype.
        mu: Mean, >= 0.
        theta: Inverse dispersion, >= 0.
        eps: Floor on the mean, a number; None for 1e-30 in float32 and 1e-290 in float64.
        log_fn: Ignored; accepted because scvi-tools' function has it.
        lgamma_fn: Ignored, too.
        log_mu: log(mu) instead of `mu`. It has no floor unless `eps` is given.
        log_theta: log(theta) instead of `theta`.

    Returns:
        A tensor of the shape that the arguments broadcast to, on their device, in the dtype that
        the floating ones promote to by torch's rules. It can be differentiated in every floating
        argument, in reverse and forward mode, to any order.

    Raises:
        TypeError: A parameter is given on no scale or on both; an argument is complex, sparse or
            quantized; or none is a tensor.
        ValueError: The shapes do not broadcast, or the tensors are on different devices.
        RuntimeError: JAX has no such device, or this process was forked from one that ran JAX.
    """
    scaled = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    return log_probability(NEGATIVE_BINOMIAL, eps, x, scaled)


@keywords
def log_zinb_positive(
    x: Tensor,
    mu: Value | None = None,
    theta: Value | None = None,
    pi: Value | None = None,
    eps: float | None = None,
    log_fn: _Unused = None,
    lgamma_fn: _Unused = None,
    *,
    log_mu: Value | None = None,
    log_theta: Value | None = None,
    **other: Unpack[ZeroInflationName[Value]],
) -> Tensor:
    """Log-probability of counts under a zero-inflated negative binomial.

    As `jaxnb.log_zinb_positive`, on tensors; see `log_nb_positive` for what all functions have
    in common. scvi-tools' function reshapes a `theta` with one axis to (1, n), and with it the
    result: for arguments of shape (3,) it returns (1, 3). Here the result has the shape (3,).

    Args:
        x: Counts.
        mu: Mean of the negative binomial part, >= 0.
        theta: Inverse dispersion, >= 0.
        pi: Log-odds of an extra zero, also as `zi_logits`.
        eps: Floor on the mean, as in `log_nb_positive`.
        log_fn: Ignored.
        lgamma_fn: Ignored.
        log_mu: log(mu) instead of `mu`.
        log_theta: log(theta) instead of `theta`.

    Returns:
        As `log_nb_positive`.

    Raises:
        TypeError: `pi` is missing; and as `log_nb_positive`.
        ValueError: As `log_nb_positive`.
        RuntimeError: As `log_nb_positive`.
    """
    scaled = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    return log_probability(ZERO_INFLATED_NEGATIVE_BINOMIAL, eps, x, scaled, pi=pi)


@keywords
def log_mixture_nb(
    x: Tensor,
    mu_1: Value | None = None,
    mu_2: Value | None = None,
    theta_1: Value | None = None,
    theta_2: Value | None = None,
    pi_logits: Value | None = None,
    eps: float | None = None,
    log_fn: _Unused = None,
    lgamma_fn: _Unused = None,
    *,
    log_mu_1: Value | None = None,
    log_mu_2: Value | None = None,
    log_theta_1: Value | None = None,
    log_theta_2: Value | None = None,
    **other: Unpack[MixtureNames[Value]],
) -> Tensor:
    """Log-probability of counts under a mixture of two negative binomials.

    As `jaxnb.log_mixture_nb`, on tensors; see `log_nb_positive` for what all functions have in
    common.

    Args:
        x: Counts.
        mu_1: Mean of component 1, >= 0.
        mu_2: Mean of component 2, >= 0.
        theta_1: Inverse dispersion of component 1, >= 0.
        theta_2: Inverse dispersion of component 2; None for that of component 1.
        pi_logits: Log-odds of component 1, also as `mixture_logits`.
        eps: Floor on both means, as in `log_nb_positive`.
        log_fn: Ignored.
        lgamma_fn: Ignored.
        log_mu_1: log(mu_1) instead of `mu_1`.
        log_mu_2: log(mu_2) instead of `mu_2`.
        log_theta_1: log(theta_1) instead of `theta_1`.
        log_theta_2: log(theta_2) instead of `theta_2`.
        **other: `mu1` for `mu_1`, and so on, as the class has them.

    Returns:
        As `log_nb_positive`.

    Raises:
        TypeError: `pi_logits` is missing; and as `log_nb_positive`.
        ValueError: As `log_nb_positive`.
        RuntimeError: As `log_nb_positive`.
    """
    scaled = {"mu_1": (mu_1, log_mu_1), "mu_2": (mu_2, log_mu_2)}
    scaled |= {"theta_1": (theta_1, log_theta_1), "theta_2": (theta_2, log_theta_2)}
    return log_probability(NEGATIVE_BINOMIAL_MIXTURE, eps, x, scaled, pi_logits=pi_logits)


@keywords
def log_zero_truncated_nb(
    x: Tensor,
    mu: Value | None = None,
    theta: Value | None = None,
    eps: float | None = None,
    *,
    log_mu: Value | None = None,
    log_theta: Value | None = None,
) -> Tensor:
    """Log-probability of counts under a negative binomial without its zeros.

    As `jaxnb.log_zero_truncated_nb`, on tensors; see `log_nb_positive` for what all functions have
    in common.

    Args:
        x: Counts.
        mu: Mean before truncation, >= 0.
        theta: Inverse dispersion, >= 0.
        eps: Floor on the mean; None for none.
        log_mu: log(mu) instead of `mu`.
        log_theta: log(theta) instead of `theta`.

    Returns:
        As `log_nb_positive`.

    Raises:
        TypeError: As `log_nb_positive`.
        ValueError: As `log_nb_positive`.
        RuntimeError: As `log_nb_positive`.
    """
    scaled = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    return log_probability(ZERO_TRUNCATED_NEGATIVE_BINOMIAL, eps, x, scaled)


@keywords
def log_hurdle_nb(
    x: Tensor,
    mu: Value | None = None,
    theta: Value | None = None,
    pi: Value | None = None,
    eps: float | None = None,
    *,
    log_mu: Value | None = None,
    log_theta: Value | None = None,
    **other: Unpack[ZeroInflationName[Value]],
) -> Tensor:
    """Log-probability of counts under a hurdle model: a zero, or a zero-truncated NB count.

    As `jaxnb.log_hurdle_nb`, on tensors; see `log_nb_positive` for what all functions have in
    common.

    Args:
        x: Counts.
        mu: Mean of the negative binomial before truncation, >= 0.
        theta: Inverse dispersion, >= 0.
        pi: Log-odds of a zero, also as `zi_logits`.
        eps: Floor on the mean; None for none.
        log_mu: log(mu) instead of `mu`.
        log_theta: log(theta) instead of `theta`.

    Returns:
        As `log_nb_positive`.

    Raises:
        TypeError: `pi` is missing; and as `log_nb_positive`.
        ValueError: As `log_nb_positive`.
        RuntimeError: As `log_nb_positive`.
    """
    scaled = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    return log_probability(HURDLE_NEGATIVE_BINOMIAL, eps, x, scaled, pi=pi)


def log_probability(
    family: Family,
    eps: float | None,
    x: Tensor,
    scaled: Pairs,
    owner: str | None = None,
    **others: Value | None,
) -> Tensor:
    """The function of a family, of pairs (itself, its logarithm) and of the other parameters.

    `owner` is the public function that messages name; by default that of the table.
    """
    owner = family.function_name if owner is None else owner
    optional = [p.name for p in family.parameters if p.default and scaled[p.name] == (None, None)]
    pairs = {name: pair for name, pair in scaled.items() if name not in optional}
    values, scales = on_scales(owner, **pairs)
    names = [
        f"log_{name}" if scale == "log" else name for name, scale in zip(pairs, scales, strict=True)
    ]
    arguments: Arguments = {"x": x, **dict(zip(names, values, strict=True))}
    arguments |= {name: required(owner, **{name: value}) for name, value in others.items()}
    floor = eps if family.has_floor else eps or 0.0
    return evaluated(
        family.function_name, arguments, None if floor is None else float(floor), owner
    )
