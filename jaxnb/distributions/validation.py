"""What is checked of parameters and counts when they are validated."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.util import not_jax_tracer

from jaxnb._types import Array, ArrayLike
from jaxnb._warnings import warn
from jaxnb.choices import HINTS

__all__ = ["described", "is_count", "or_warn", "raise_unless_missing"]


def is_count(value: ArrayLike, smallest: int) -> Array:
    """Whether the values are whole numbers from the smallest on; infinity is none.

    Those of values that are known are known, too, while something else is being traced: `or_warn`
    speaks of observed counts under `jax.jit`.
    """
    if not not_jax_tracer(value):
        return _is_count(value, smallest)
    with jax.ensure_compile_time_eval():
        return _is_count(value, smallest)


@jax.jit
def _is_count(value: ArrayLike, smallest: int) -> Array:
    array = jnp.asarray(value)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        return array >= smallest
    return (array >= smallest) & (array - jnp.floor(array) == 0)  # inf - inf is NaN


def or_warn(valid: Array) -> Array:
    """Which values are in the support; with NumPyro's warning if some, not traced, are not."""
    if not_jax_tracer(valid) and not np.asarray(valid).all():
        warn(
            "Out-of-support values provided to log prob method. "
            "The value argument should be within the support.",
        )
    return valid


def raise_unless_missing(
    owner: str, name: str, constraint: Any, value: ArrayLike, valid: ArrayLike
) -> None:
    """Refuse a parameter with invalid values; NaN is a missing one, unless all are NaN."""
    # under `grad` the comparisons are concrete although the value is not
    missing, invalid = np.asarray(value != value), ~np.asarray(valid)
    if not missing.all():
        invalid &= ~missing
    if invalid.any():
        example = f", such as {np.asarray(value)[invalid][0]}" if not_jax_tracer(value) else ""
        raise ValueError(
            f"{owner} got an invalid {name}: {invalid.sum()} of {invalid.size} values{example}, do"
            f" not satisfy {constraint}{HINTS.get(name, '')}"
        )


def described(parameter: Any) -> str:
    """The dtype and the shape of an array."""
    if not hasattr(parameter, "dtype"):
        return repr(parameter)
    return f"{parameter.dtype}[{','.join(map(str, parameter.shape))}]"
