"""Keeping XLA's CPU compiler from fusing a reduction into an element-wise kernel.

On CPU, XLA fuses `kernel(x).sum()` into one scalar loop that LLVM cannot vectorise: the sum of a
likelihood then costs several times as much as its values. `lax.optimization_barrier` does not
prevent it, since it is expanded before fusion. A conditional does, whose operands are finished
arrays. This module holds the one conditional that the library uses for that; on GPU and TPU, where
fusing the reduction is what one wants, it is absent from the compiled program.
"""

import jax.numpy as jnp
from jax import lax

from jaxnb._types import Array

__all__ = ["materialize"]


def _behind_conditional(*arrays: Array) -> tuple[Array, ...]:
    # The predicate is always true, but must not be known so before the fusion pass has run: a
    # constant would be folded, and a value computed from the data would become one under
    # `vmap`'s select or where the data are closed over. The barrier is expanded only afterwards.
    always = lax.optimization_barrier(jnp.asarray(True))  # type: ignore[no-untyped-call]
    finished: tuple[Array, ...] = lax.cond(
        always,
        lambda *operands: operands,
        lambda *operands: tuple(jnp.full_like(a, jnp.nan) for a in operands),
        *arrays,
    )
    return finished


def materialize(*arrays: Array) -> tuple[Array, ...]:
    """Return the arrays unchanged, computed in full before anything that uses them (CPU only)."""
    finished: tuple[Array, ...] = lax.platform_dependent(
        *arrays, cpu=_behind_conditional, default=lambda *operands: operands
    )
    return finished
