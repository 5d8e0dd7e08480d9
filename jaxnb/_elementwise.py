"""Element-wise functions as primitives of JAX.

A primitive of one's own is never opened: its derivatives are those that its rules say under every
transformation, where JAX drops the rules of `custom_jvp` under partial evaluation, as inside
`lax.scan`. A batch is one dimension more in front of each operand, of size 1 where it is not
batched.

The program that an evaluation becomes is written as if there were one device: what the types say of
sharding and of varying over devices (`jax.shard_map`) is worked out for the primitive, and XLA
carries it through.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import AbstractMesh, AxisType

from jaxnb._types import Array

__all__ = ["as_direction", "elementwise", "filled_like", "nonzero", "varying_alike"]


def elementwise(
    name: str,
    function: Callable[..., tuple[Array, ...]],
    results: str | None = None,
    on_cpu: Callable[..., tuple[Array, ...]] | None = None,
) -> Primitive:
    """A primitive for an element-wise function of arrays of one rank and dtype.

    Args:
        name: Its name.
        function: Of the operands and the static parameters.
        results: The static parameter that has as many entries as there are results; None for one.
        on_cpu: What `function` is on CPU. Of `lax.platform_dependent` JAX traces all branches, for
            whichever platform; this one spares programs for CPU the others.
    """
    primitive = Primitive(name)
    primitive.multiple_results = True

    def number(static: dict[str, Any]) -> int:
        return 1 if results is None else len(static[results])

    @cache
    def compiled(static: tuple[tuple[str, Any], ...]) -> Callable[..., tuple[Array, ...]]:
        return jax.jit(partial(primitive.bind, **dict(static)))

    @primitive.def_impl  # type: ignore[untyped-decorator]
    def _evaluate(*operands: Array, **static: Any) -> list[Array]:
        # Without jit what is compiled would evaluate the primitive again.
        if jax.config.jax_disable_jit:  # type: ignore[attr-defined]
            return list(function(*operands, **static))
        return list(compiled(tuple(static.items()))(*operands))

    @primitive.def_abstract_eval  # type: ignore[untyped-decorator]
    def _types(*types: Any, **static: Any) -> list[Any]:
        return [_together(types)] * number(static)

    def lowered(of: Callable[..., Any], context: Any, *operands: Any, **static: Any) -> Any:
        rule = mlir.lower_fun(partial(of, **static), multiple_results=True)
        plain = {
            name: [_plain(aval) for aval in getattr(context, name)]
            for name in ("avals_in", "avals_out")
        }
        with jax.sharding.use_abstract_mesh(AbstractMesh((), ())):
            return rule(context.replace(**plain), *operands)

    def batched(operands: Sequence[Array], dims: Sequence[int | None], **static: Any) -> Any:
        in_front = [
            lax.expand_dims(a, (0,)) if d is None else jnp.moveaxis(a, d, 0)
            for a, d in zip(operands, dims, strict=True)
        ]
        found = primitive.bind(*in_front, **static)  # type: ignore[no-untyped-call]
        return found, [0] * number(static)

    mlir.register_lowering(primitive, partial(lowered, function))
    if on_cpu is not None:
        mlir.register_lowering(primitive, partial(lowered, on_cpu), platform="cpu")
    batching.primitive_batchers[primitive] = batched
    return primitive


def nonzero(tangents: Sequence[Any]) -> dict[int, Any]:
    """The tangents that are not 0 by their type, by their places."""
    return {place: t for place, t in enumerate(tangents) if type(t) is not ad.Zero}


def as_direction(product: Array, aval: Any) -> Array:
    """A cotangent summed over the axes along which its direction, of type `aval`, was broadcast."""
    axes = [k for k, (a, b) in enumerate(zip(aval.shape, product.shape, strict=True)) if a != b]
    summed = jnp.sum(product, axes, keepdims=True) if axes else product
    if AxisType.Explicit in aval.sharding.mesh.axis_types:
        summed = jax.sharding.reshard(summed, aval.sharding)  # type: ignore[no-untyped-call]
    return summed


def filled_like(value: float, *operands: Array) -> Array:
    """A number in each element of a sum of the operands, sharded and varying over devices as it.

    The carry of a scan over such sums has to begin like this: a constant is of another type.
    """
    return jnp.full_like(reduce(jnp.add, operands), value)


def varying_alike(operands: Sequence[Array]) -> list[Array]:
    """The operands, each varying over all devices over which any of them does."""
    varying = [_varying(operand) for operand in operands]
    over = frozenset().union(*varying)
    return [
        _made_varying(operand, tuple(over - axes)) if over - axes else operand
        for operand, axes in zip(operands, varying, strict=True)
    ]


def _plain(aval: Any) -> Any:
    return jax.core.ShapedArray(aval.shape, aval.dtype)


def _together(types: Sequence[Any]) -> Any:
    """The type of an element-wise result: over a mesh, that of a sum."""
    if all(aval.sharding.mesh.empty for aval in types):
        shape = jnp.broadcast_shapes(*(aval.shape for aval in types))
        return jax.core.ShapedArray(shape, types[0].dtype)
    return jax.make_jaxpr(lambda *operands: reduce(jnp.add, operands))(*types).out_avals[0]


def _varying(operand: Array) -> frozenset[Any]:
    aval: Any = jax.typeof(operand)
    axes: frozenset[Any] = (
        aval.manual_axis_type.varying if hasattr(aval, "manual_axis_type") else aval.vma
    )
    return axes


def _made_varying(operand: Array, axes: tuple[Any, ...]) -> Array:
    # `pcast` takes the place of `pvary` from JAX 0.9 on
    made: Array = (
        lax.pcast(operand, axes, to="varying")
        if hasattr(lax, "pcast")
        else lax.pvary(operand, axes)  # type: ignore[attr-defined]
    )
    return made
