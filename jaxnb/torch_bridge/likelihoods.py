"""The three log-likelihoods on torch tensors."""

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor

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
    tensors = {name: a for name, a in arguments.items() if isinstance(a, Tensor)}
    for argument, tensor in tensors.items():
        _check(argument, tensor)
    result_type = _common_dtype(name, tensors)
    # half precision is computed in float32, as a formula of many terms has to be
    work_type = torch.float32 if result_type.itemsize < 4 else result_type
    device = _common_device(tensors)
    _check_shapes(tensors)
    cast = [
        argument.to(device, work_type)
        if isinstance(argument, Tensor)
        else torch.tensor(argument, device=device, dtype=work_type)
        for argument in arguments.values()
    ]
    return evaluate(name, cast, float(eps)).to(result_type)


def _check(name: str, tensor: Tensor) -> None:
    if tensor.is_complex():
        raise TypeError(f"{name} must be real, got {tensor.dtype}")
    if tensor.layout != torch.strided:
        raise TypeError(f"{name} is laid out as {tensor.layout}: pass {name}.to_dense()")
    if tensor.is_quantized:
        raise TypeError(f"{name} is quantized: pass {name}.dequantize()")


def _common_dtype(name: str, tensors: dict[str, Tensor]) -> torch.dtype:
    """What the floating tensors promote to; one without axes counts only if there are no others."""
    if not tensors:
        raise TypeError(f"{name} needs at least one tensor: for arrays there is jaxnb.{name}")
    floating = [t for t in tensors.values() if t.is_floating_point()]
    leading = [t for t in floating if t.dim() > 0] or floating
    dtypes = [t.dtype for t in leading] or [torch.get_default_dtype()]
    return reduce(torch.promote_types, dtypes)


def _common_device(tensors: dict[str, Tensor]) -> torch.device:
    """The one device of the tensors; one without axes may lie on the CPU, as everywhere in torch."""
    leading = [t.device for t in tensors.values() if t.dim() > 0 or t.device.type != "cpu"]
    devices = leading or [t.device for t in tensors.values()]
    if any(device != devices[0] for device in devices):
        places = ", ".join(f"{name} on {t.device}" for name, t in tensors.items())
        raise ValueError(f"the tensors are on different devices: {places}")
    return devices[0]


def _check_shapes(tensors: dict[str, Tensor]) -> None:
    try:
        torch.broadcast_shapes(*(t.shape for t in tensors.values()))
    except RuntimeError:
        shapes = ", ".join(f"{name} {tuple(t.shape)}" for name, t in tensors.items())
        raise ValueError(f"arguments do not broadcast together: {shapes}") from None
