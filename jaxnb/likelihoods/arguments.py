"""Checking, casting and aligning the arguments of the likelihoods."""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnb._types import Array, ArrayLike

__all__ = [
    "Given",
    "Pair",
    "Scale",
    "Scales",
    "Whole",
    "argument",
    "checked",
    "either_scale",
    "floor_of",
    "given_or",
    "largest",
    "needed",
    "on_scales",
    "plain",
    "promote",
    "required",
]

Scale = Literal["linear", "log"]
"""Whether a parameter is passed directly or as its natural logarithm."""

Scales = tuple[Scale, ...]


class Pair(NamedTuple):
    """A parameter and its logarithm, of which one is given."""

    value: Any
    logarithm: Any


Given = ArrayLike | None | Pair
"""A parameter that has one scale, or both forms of one that has two."""

_DENSE_REMEDIES = {
    "scipy": "make it dense with .toarray(), or fit it with jaxnb.fit",
    "pandas": "pass .to_numpy(), or fit it with jaxnb.fit",
    "anndata": "pass one of its layers as a dense array, or fit it with jaxnb.fit",
    "torch": "use the function of the same name in jaxnb.torch_bridge",
}


class Whole(NamedTuple):
    """Integers that JAX has no dtype for, rounded once to a float, and still integers to `promote`.

    Without x64, JAX wraps integers of more than 32 bits around: 2**32 would be 0.
    """

    value: Any


def argument(name: str, value: Any) -> Any:
    """An argument in a form that JAX takes without changing its value.

    Arrays of JAX are left alone, and so are numbers that JAX has a dtype for. Other integers, of
    NumPy or of Python and alone or in lists, become `Whole`.

    Raises:
        TypeError: It is a sparse matrix, a table, a tensor or no number; the message says what to
            pass.
    """
    if isinstance(value, (Array, float, bool, Whole)):
        return value
    if isinstance(value, int):
        return value if -(2**31) <= value < 2**31 else _of_integers(value)
    if isinstance(value, (list, tuple)):
        return _of_list(name, value)
    if isinstance(value, (np.ndarray, np.generic)):
        return _of_array(name, value)
    _refuse(name, value)
    return value


def plain(value: Any) -> Any:
    """An argument without the mark that its numbers were integers."""
    return value.value if isinstance(value, Whole) else value


def _of_array(name: str, value: Any) -> Any:
    kind = value.dtype.kind
    if kind in "iu":
        wide = value.dtype.itemsize > 4 and _float_dtype().itemsize == 4
        return Whole(value.astype(np.float32)) if wide else value
    if kind in "fbc" or jnp.issubdtype(value.dtype, jnp.number):
        return value
    if kind == "O" and all(isinstance(v, int) for v in value.flat):
        numbers = [plain(_of_integers(v)) for v in value.flat]
        return Whole(np.asarray(numbers, _float_dtype()).reshape(value.shape))
    raise TypeError(f"{name} must be numbers, got an array of {value.dtype}")


def _of_list(name: str, value: Any) -> Any:
    leaves = jax.tree.leaves(value)
    if any(isinstance(leaf, Array) for leaf in leaves):
        return jnp.asarray(value)
    for leaf in leaves:
        _refuse(name, leaf)
    try:
        array = np.asarray(value)
    except ValueError:  # not a rectangle: JAX says so
        return value
    exact = array.dtype.kind in "iuO" or all(isinstance(leaf, (int, float)) for leaf in leaves)
    return _of_array(name, array) if exact and leaves else value


def _of_integers(value: int) -> Whole:
    """A Python integer of any size, rounded once."""
    shift = max(abs(value).bit_length() - 62, 0)
    kept = value >> shift
    kept |= kept << shift != value  # what is cut off decides a tie
    with np.errstate(over="ignore"):
        return Whole(np.ldexp(np.int64(kept).astype(_float_dtype()), shift))


def _float_dtype() -> np.dtype[Any]:
    return np.dtype(jax.dtypes.canonicalize_dtype(np.float64))  # float32 without x64


def _refuse(name: str, value: object) -> None:
    package = type(value).__module__.partition(".")[0]
    if package in _DENSE_REMEDIES:
        raise TypeError(
            f"{name} must be an array, not a {package} {type(value).__name__}: "
            f"{_DENSE_REMEDIES[package]}"
        )
    if isinstance(value, (str, bytes, dict, set)):
        raise TypeError(f"{name} must be a number or an array of numbers, got {value!r:.50}")


def either_scale(
    owner: str, **parameters: tuple[Any | None, Any | None]
) -> tuple[list[Any], Scales]:
    """The values given for each parameter, of which there are both forms, and their scales.

    Raises:
        TypeError: A parameter is given on no scale, or on both.
    """
    values, scales = [], []
    for name, given in parameters.items():
        value, scale = _on_one_scale(owner, name, *given)
        values.append(value)
        scales.append(scale)
    return values, tuple(scales)


def _on_one_scale(
    owner: str, name: str, value: Any | None, log_value: Any | None
) -> tuple[Any, Scale]:
    if log_value is None and value is not None:
        return value, "linear"
    if value is None and log_value is not None:
        return log_value, "log"
    got = "neither" if value is None else "both"
    raise TypeError(f"{owner} needs exactly one of {name} and log_{name}; got {got}")


def given_or(given: Pair, default: Pair) -> Pair:
    """The pair, or the default if neither the parameter nor its logarithm is given."""
    return default if given.value is None and given.logarithm is None else given


def on_scales(
    owner: str, **parameters: tuple[ArrayLike | None, ArrayLike | None]
) -> tuple[list[ArrayLike], Scales]:
    """`either_scale` of arrays, each as `argument` returns it."""
    values, scales = either_scale(owner, **parameters)
    return [argument(*named) for named in zip(parameters, values, strict=True)], scales


def needed(owner: str, **argument: Any | None) -> Any:
    """The value of an argument without which the function is not defined.

    Raises:
        TypeError: It is None.
    """
    ((name, value),) = argument.items()
    if value is None:
        raise TypeError(f"{owner} needs {name}")
    return value


def required(owner: str, **parameter: ArrayLike | None) -> ArrayLike:
    """`needed` of an array, as `argument` returns it."""
    (name,) = parameter
    value: ArrayLike = argument(name, needed(owner, **parameter))
    return value


def checked(
    owner: str, parameters: dict[str, Given]
) -> tuple[tuple[str, ...], list[ArrayLike], Scales]:
    """The names of the parameters, their values, and the scales of those that have several.

    These come first.

    Raises:
        TypeError: A parameter is missing, given on both scales or no array; the message begins with
            `owner`, the public function.
    """
    values: list[ArrayLike] = []
    scales: list[Scale] = []
    for name, given in parameters.items():
        if isinstance(given, Pair):
            value, scale = _on_one_scale(owner, name, *given)
            scales.append(scale)
        else:
            value = needed(owner, **{name: given})
        values.append(argument(name, value))
    return tuple(parameters), values, tuple(scales)


def promote(*, x: ArrayLike, **parameters: ArrayLike) -> tuple[jnp.dtype, list[Array]]:
    """Cast to one floating dtype and give every argument the same rank, sizes unchanged.

    Counts may be integers or booleans; they take the dtype that the floating arguments promote to
    (the default float where there is none). float16 and bfloat16 are computed in float32.
    Sizes are left alone so that what depends on one small argument is computed once for it.

    Returns:
        The dtype of the result, and the arguments in order, in the dtype of the computation.

    Raises:
        TypeError: An argument is complex.
        ValueError: The shapes do not broadcast.
    """
    given = {"x": x, **parameters}
    arrays = {name: _numeric(name, plain(value)) for name, value in given.items()}
    floating = [
        a
        for name, a in arrays.items()
        if jnp.issubdtype(a.dtype, jnp.floating) and not isinstance(given[name], Whole)
    ]
    result_type = jnp.dtype(jnp.result_type(*floating) if floating else jnp.result_type(float))
    work_type = jnp.dtype(jnp.float32) if result_type.itemsize < 4 else result_type
    try:
        rank = len(jnp.broadcast_shapes(*(a.shape for a in arrays.values())))
    except ValueError:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in arrays.items())
        raise ValueError(f"arguments do not broadcast together: {shapes}") from None
    aligned = [lax.expand_dims(a.astype(work_type), range(rank - a.ndim)) for a in arrays.values()]
    # Counts are often a constant of the program. The barrier, expanded before fusion, keeps XLA
    # from evaluating what depends on them alone while it compiles: seconds for a million counts.
    # On CPU only: XLA's GPU compiler expands it after fusion, and would write the counts to memory.
    barrier = lax.optimization_barrier
    aligned[0] = lax.platform_dependent(aligned[0], cpu=barrier, default=lambda counts: counts)
    return result_type, aligned


def _numeric(name: str, value: ArrayLike) -> Array:
    array = jnp.asarray(value)
    if jnp.iscomplexobj(array):
        raise TypeError(f"{name} must be real, got {array.dtype}")
    return array


def largest(dtype: jnp.dtype) -> float:
    """The stand-in for infinity: 2**99 in float32, 2**798 in float64.

    At that theta the distribution is Poisson to rounding for every count and mean below
    1e15, and its reciprocal, even times a rounding error of the mean, is still a normal number.
    """
    return float(2.0 ** int(0.78 * np.finfo(dtype).maxexp))


def floor_of(eps: ArrayLike | None, dtype: jnp.dtype, *scales_of_means: Scale) -> Array:
    """The floor on the means: `eps`, or the default of the dtype.

    The default, 1e-30 in float32 and 1e-290 in float64, is as small as lets x / floor, the
    derivative in a mean at the floor, be a number for every x that the dtype counts exactly. Means
    on the log scale need none.
    """
    if eps is None:
        default = 1e-30 if dtype == jnp.float32 else 1e-290
        eps = default if "linear" in scales_of_means else 0.0
    return jnp.asarray(eps, dtype)
