"""From the parameters that a caller gives to those of the table, and back."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpyro.distributions import biject_to, constraints
from numpyro.distributions.transforms import IdentityTransform

from jaxnb._types import Array, ArrayLike
from jaxnb.declaration import has_mean_and_theta
from jaxnb.families import Family

__all__ = [
    "aligned",
    "as_floats",
    "canonical",
    "constraints_of",
    "extended_real",
    "linear",
    "log_ratio",
    "logarithm",
    "normalized",
    "success_probability",
]


class _ExtendedReal(constraints.ParameterFreeConstraint):
    """Every number but NaN. An infinite logit is a certainty, which the likelihoods allow."""

    def __call__(self, x: ArrayLike) -> ArrayLike:
        return ~(jnp.isnan(x) if isinstance(x, Array) else np.isnan(x))

    def feasible_like(self, prototype: ArrayLike) -> Array:
        return jnp.zeros_like(prototype)


extended_real = _ExtendedReal()


@biject_to.register(_ExtendedReal)
def _to_extended_real(constraint: _ExtendedReal) -> IdentityTransform:
    return IdentityTransform()


def constraints_of(family: Family) -> dict[str, constraints.Constraint]:
    """NumPyro's constraints on the parameters of the table, in all forms that may be given."""
    by_name = {"nonnegative": constraints.nonnegative, "extended real": extended_real}
    every = {p.attribute: by_name[p.constraint] for p in family.parameters}
    for p in family.parameters:
        if p.log_attribute:
            every[p.log_attribute] = extended_real
        if p.probability:
            every[p.probability] = constraints.unit_interval
    if has_mean_and_theta(family.parameters):
        every["total_count"] = constraints.nonnegative
        every["probs"] = constraints.unit_interval
        every["logits"] = extended_real
    return every


def canonical(given: Mapping[str, Array]) -> dict[str, Array]:
    """The parameters of the table, each on one scale, from the parameters given."""
    parameters = dict(given)
    if "total_count" in parameters:
        parameters["theta"] = theta = parameters.pop("total_count")
        if "logits" in parameters:
            # At 0 the derivative of log would make NaN of that of the point mass.
            positive = theta != 0
            log_theta = jnp.where(positive, jnp.log(jnp.where(positive, theta, 1.0)), -jnp.inf)
            parameters["log_mu"] = parameters.pop("logits") + log_theta
        else:
            probs = parameters.pop("probs")
            parameters["mu"] = theta * (probs / (1 - probs))
    if "zi_probs" in parameters:
        zi_probs = parameters.pop("zi_probs")
        parameters["zi_logits"] = log_odds(zi_probs)
    return parameters


def linear(present: Mapping[str, Array], attribute: str, default: str | None = None) -> Array:
    """One of the canonical parameters, or else the one it defaults to, on the linear scale."""
    if attribute in present:
        return present[attribute]
    if f"log_{attribute}" in present:
        return jnp.exp(present[f"log_{attribute}"])
    return linear(present, _required(attribute, default))


def logarithm(present: Mapping[str, Array], attribute: str, default: str | None = None) -> Array:
    """The same on the log scale."""
    if f"log_{attribute}" in present:
        return present[f"log_{attribute}"]
    if attribute in present:
        return jnp.log(present[attribute])
    return logarithm(present, _required(attribute, default))


def _required(attribute: str, default: str | None) -> str:
    if default is None:
        raise AttributeError(f"the distribution was made without {attribute}")
    return default


def normalized(key: str, mu: Any, scale: Any) -> Any:
    """The parameter, array or tensor, that is normalized expression under this key.

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


def as_floats(parameters: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """The parameters as arrays of real float dtypes; integers take the default one.

    Python numbers take the dtype of the others and keep it: a weakly typed array in the carry of a
    scan would not match the one that comes out of it.
    """
    arrays = {name: _as_float(name, value) for name, value in parameters.items()}
    dtype = jnp.result_type(*arrays.values())
    return {name: a.astype(dtype) if a.weak_type else a for name, a in arrays.items()}


def _as_float(name: str, value: ArrayLike) -> Array:
    array = jnp.asarray(value)
    if jnp.iscomplexobj(array):
        raise TypeError(f"{name} must be real, got {array.dtype}")
    floating = jnp.issubdtype(array.dtype, jnp.floating)
    return array if floating else array.astype(jnp.result_type(float))


def aligned(parameters: Mapping[str, Array]) -> dict[str, Array]:
    """The parameters with leading axes of length 1, so that all have the same rank.

    Only then do they still broadcast after `vmap` has put a new axis in front of each.
    """
    try:
        rank = len(jnp.broadcast_shapes(*(p.shape for p in parameters.values())))
    except ValueError:
        listed = ", ".join(f"{name} {p.shape}" for name, p in parameters.items())
        raise ValueError(f"parameters do not broadcast together: {listed}") from None
    return {name: lax.expand_dims(p, range(rank - p.ndim)) for name, p in parameters.items()}


def success_probability(mu: Array, theta: Array) -> Array:
    """The ratio mu / (mu + theta), also for infinite and very large arguments."""
    # Divided by the larger one, which neither overflows nor makes inf / inf of an infinite one.
    larger = jnp.maximum(jnp.maximum(mu, theta), np.finfo(mu.dtype).tiny)
    mu_part, theta_part = (jnp.where(p == jnp.inf, 1.0, p / larger) for p in (mu, theta))
    return mu_part / (mu_part + theta_part)


def log_odds(p: Array) -> Array:
    """log(p / (1 - p)), accurate also where p is near 1/2."""
    near = jnp.abs(p - 0.5) < 0.25
    # 2 p - 1 is exact there; the rounding of 1 - p is not multiplied
    close = jnp.log1p(jnp.where(near, 2 * p - 1, 0.0) / jnp.where(near, 1 - p, 1.0))
    return jnp.where(near, close, log_ratio(p, 1 - p))


@jax.custom_jvp
def log_ratio(a: Array, b: Array) -> Array:
    """log(a / b) for a, b >= 0, accurate also where a is near b or the ratio overflows."""
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
    # In closed form because autodiff would carry 0 * inf out of the branches not taken. The
    # derivative is kept finite where a or b is 0, since that of the likelihood in an infinite
    # logit is 0.
    (a, b), (a_dot, b_dot) = primals, tangents
    tiny = float(np.finfo(a.dtype).tiny)
    derivative = a_dot / jnp.maximum(a, tiny) - b_dot / jnp.maximum(b, tiny)
    value = log_ratio(a, b)
    return value, jnp.broadcast_to(derivative, value.shape)
