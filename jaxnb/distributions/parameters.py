"""From the parameters a caller gives to the ones that are kept, and back."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpyro.distributions import biject_to, constraints
from numpyro.distributions.transforms import IdentityTransform

from jaxnb._types import Array, ArrayLike

__all__ = [
    "MEAN_AND_DISPERSION",
    "ZERO_INFLATION",
    "aligned",
    "as_float",
    "chosen",
    "exactly_one",
    "extended_real",
    "log_ratio",
    "mean_and_dispersion",
    "normalized",
    "success_probability",
    "zero_inflation_logits",
]

Choices = Sequence[tuple[str, ...]]

MEAN_AND_DISPERSION: Choices = (
    ("mu", "theta"),
    ("total_count", "probs"),
    ("total_count", "logits"),
)
ZERO_INFLATION: Choices = (("zi_logits",), ("zi_probs",))


class _ExtendedReal(constraints.ParameterFreeConstraint):
    """Every number but NaN. An infinite logit is a certainty, which the likelihoods allow."""

    def __call__(self, x: ArrayLike) -> ArrayLike:
        return x == x

    def feasible_like(self, prototype: ArrayLike) -> Array:
        return jnp.zeros_like(prototype)


extended_real = _ExtendedReal()


@biject_to.register(_ExtendedReal)
def _to_extended_real(constraint: _ExtendedReal) -> IdentityTransform:
    return IdentityTransform()


def exactly_one(owner: str, choices: Choices, **given: ArrayLike | None) -> dict[str, Array]:
    """The parameters that are not None, as float arrays; see `chosen`."""
    present = chosen(owner, choices, **given)
    return {name: as_float(name, value) for name, value in present.items()}


def chosen(owner: str, choices: Choices, **given: Any) -> dict[str, Any]:
    """The parameters that are not None, arrays or tensors.

    Raises:
        ValueError: They are not one of the choices in full, and nothing else.
    """
    present = {name: value for name, value in given.items() if value is not None}
    if set(present) not in [set(choice) for choice in choices]:
        listed = " or ".join(f"({', '.join(choice)})" for choice in choices)
        got = ", ".join(present) or "none of them"
        raise ValueError(f"{owner} needs exactly one of {listed}; got {got}")
    return present


def normalized(key: str, mu: Any, scale: Any) -> Any:
    """The parameter, array or tensor, that stands for normalised expression.

    Raises:
        ValueError: The key is neither "mu" nor "scale", or there is no scale.
    """
    if key == "mu":
        return mu
    if key == "scale" and scale is not None:
        return scale
    if key == "scale":
        raise ValueError("this distribution was made without scale: ask for 'mu'")
    raise ValueError(f"key must be 'mu' or 'scale', got {key!r}")


def as_float(name: str, value: ArrayLike) -> Array:
    """The value as an array of a real float dtype; integers take the default one."""
    array = jnp.asarray(value)
    if jnp.iscomplexobj(array):
        raise TypeError(f"{name} must be real, got {array.dtype}")
    floating = jnp.issubdtype(array.dtype, jnp.floating)
    return array if floating else array.astype(jnp.result_type(float))


def aligned(**parameters: Array | None) -> dict[str, Array | None]:
    """The parameters with leading axes of length 1, so that all have the same rank.

    Only then do they still broadcast after `vmap` has put a new axis in front of each.
    """
    shapes = {name: p.shape for name, p in parameters.items() if p is not None}
    try:
        rank = len(jnp.broadcast_shapes(*shapes.values()))
    except ValueError:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"parameters do not broadcast together: {listed}") from None
    return {
        name: None if p is None else lax.expand_dims(p, range(rank - p.ndim))
        for name, p in parameters.items()
    }


def mean_and_dispersion(given: dict[str, Array]) -> tuple[Array, Array]:
    """The mu and theta of one choice of `MEAN_AND_DISPERSION`."""
    match given:
        case {"mu": mu, "theta": theta}:
            return mu, theta
        case {"total_count": total_count, "probs": probs}:
            return total_count * (probs / (1 - probs)), total_count
    return given["total_count"] * jnp.exp(given["logits"]), given["total_count"]


def zero_inflation_logits(given: dict[str, Array]) -> Array:
    """The logit of the extra zero from one choice of `ZERO_INFLATION`."""
    if "zi_logits" in given:
        return given["zi_logits"]
    zi_probs = given["zi_probs"]
    return log_ratio(zi_probs, 1 - zi_probs)


def success_probability(mu: Array, theta: Array) -> Array:
    """The ratio mu / (mu + theta), for infinite and for huge arguments too."""
    # Divided by the larger one, which neither overflows nor makes inf / inf of an infinite one.
    larger = jnp.maximum(jnp.maximum(mu, theta), np.finfo(mu.dtype).tiny)
    mu_part, theta_part = (jnp.where(p == jnp.inf, 1.0, p / larger) for p in (mu, theta))
    return mu_part / (mu_part + theta_part)


@jax.custom_jvp
def log_ratio(a: Array, b: Array) -> Array:
    """log(a / b) for a, b >= 0, to the last digits where a is near b or the ratio overflows."""
    ratio = a / b
    near = jnp.abs(ratio - 1) < 0.5
    # a - b is exact where the two are within a factor of 2 (Sterbenz)
    close = jnp.log1p(jnp.where(near, a - b, 0.0) / jnp.where(near, b, 1.0))
    info = np.finfo(ratio.dtype)
    normal = (ratio >= float(info.tiny)) & (ratio <= float(info.max))
    apart = jnp.where(normal, jnp.log(ratio), jnp.log(a) - jnp.log(b))
    return jnp.where(near, close, apart)


@log_ratio.defjvp
def _log_ratio_jvp(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    # In closed form because autodiff would carry 0 * inf out of the branches not taken. A slope is
    # kept finite where a or b is 0, since that of the likelihood in an infinite logit is 0.
    (a, b), (along_a, along_b) = primals, tangents
    tiny = float(np.finfo(a.dtype).tiny)
    slope = along_a / jnp.maximum(a, tiny) - along_b / jnp.maximum(b, tiny)
    value = log_ratio(a, b)
    return value, jnp.broadcast_to(slope, value.shape)
