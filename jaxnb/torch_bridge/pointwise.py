"""One operator of torch for every function and every derivative.

`partial_derivatives` takes tensors, the name of a function and how often to differentiate it in
each tensor. The derivative of its result is the same operator with one order more, so that one
formula for autograd, one for fake tensors and one for `vmap` serve all functions to any order.

torch differentiates a custom operator in reverse mode only. Forward mode and the transforms of
`torch.func` need an `autograd.Function`, which the compiler and the exporter cannot look into.
`_evaluate` therefore calls the operator while code is compiled, and the Function otherwise. Where
`torch.func.grad` or another transform that differentiates is itself compiled, the call is left out
of the compiled code.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from jaxnb.torch_bridge import _private
from jaxnb.torch_bridge.arguments import (
    Arguments,
    broadcastable,
    cast,
    common_dtype,
    working_dtype,
)
from jaxnb.torch_bridge.exchange import call
from jaxnb.torch_bridge.functions import FUNCTIONS, found, named
from jaxnb.torch_bridge.layout import batch_first, folded
from jaxnb.torch_bridge.programs import Orders, partials

__all__ = ["evaluated", "is_plain"]


def evaluated(
    function: str, arguments: Arguments, eps: float | None = None, owner: str | None = None
) -> Tensor:
    """The function of arguments that are named, and cast and aligned here.

    They are in the order of the table of distributions, each under its name or that of its
    logarithm; one that has a default may be missing. `owner` is the function that messages name.

    Raises:
        TypeError: No argument is a tensor, or one is complex, sparse or quantized.
        ValueError: The shapes do not broadcast, or the devices differ.
    """
    missing = len(arguments) < len(FUNCTIONS[function].arguments)
    logarithms = [name for name in arguments if name.startswith("log_")]
    result_type = common_dtype(owner or function, arguments)
    tensors = cast(arguments, working_dtype(result_type))
    broadcastable(tensors)
    name = named(f"{function}_tied" if missing else function, logarithms)
    return _evaluate(name, list(tensors.values()), eps).to(result_type)


def _evaluate(name: str, tensors: Sequence[Tensor], eps: float | None) -> Tensor:
    """The function of that name, differentiable to any order in every tensor.

    The tensors have one dtype, float32 or float64, are on one device, and broadcast.
    """
    value = (0,) * len(tensors)
    if torch.compiler.is_compiling() and _private.differentiating_transform_is_active():
        return _outside_compiled_code(name, tensors, eps)
    if torch.compiler.is_compiling() or _private.is_tracing():
        return partial_derivatives(list(tensors), name, list(value), eps)[0]
    if _plain_gradient_is_due(name, tensors):
        result: Tensor = _ValueWithGradient.apply(name, eps, *tensors)
        return result
    return _derivatives(name, eps, tensors, [value])[0]


@torch.compiler.disable(
    reason="torch.func differentiates the functions of jaxnb.torch_bridge outside of compiled code"
)
def _outside_compiled_code(name: str, tensors: Sequence[Tensor], eps: float | None) -> Tensor:
    return _derivatives(name, eps, tensors, [(0,) * len(tensors)])[0]


# JAX's work cannot be part of a CUDA graph; compiled code then leaves the operator out of one.
_OPTIONS: dict[str, Any] = (
    {"tags": (torch.Tag.cudagraph_unsafe,)}
    if hasattr(torch.Tag, "cudagraph_unsafe")
    and "tags" in inspect.signature(torch.library.custom_op).parameters
    else {}
)


@torch.library.custom_op("jaxnb::partial_derivatives", mutates_args=(), **_OPTIONS)
def partial_derivatives(
    tensors: Sequence[Tensor], name: str, orders: Sequence[int], eps: float | None
) -> list[Tensor]:
    """The partial derivatives of a function, each of the shape of the tensors together.

    `orders` holds one order for each tensor, as many times over as there are derivatives.
    """
    _refuse_forward_mode()
    return _compute(tensors, name, _in_groups(orders, len(tensors)), eps)


@torch.compiler.disable  # which would otherwise compile what compiled code calls, this included
def _compute(
    tensors: Sequence[Tensor], name: str, requested: Sequence[Orders], eps: float | None
) -> list[Tensor]:
    arguments = folded([t.detach() for t in tensors])
    if 0 in arguments.shape:
        return [tensors[0].new_empty(arguments.shape) for _ in requested]
    results = [
        result
        for program in _programs(requested)
        for result in call(partials(name, program), eps, arguments.tensors)
    ]
    return [arguments.unfold(result) for result in results]


def _programs(requested: Sequence[Orders]) -> list[tuple[Orders, ...]]:
    """Which derivatives are compiled together: values and first ones; higher orders separately.

    Those have little in common, and many of them in one program take minutes to compile.
    """
    if all(sum(orders) < 2 for orders in requested):
        return [tuple(requested)]
    return [(orders,) for orders in requested]


@partial_derivatives.register_fake
def _(
    tensors: Sequence[Tensor], name: str, orders: Sequence[int], eps: float | None
) -> list[Tensor]:
    _refuse_forward_mode()
    shape = torch.broadcast_shapes(*(t.shape for t in tensors))
    return [tensors[0].new_empty(shape) for _ in _in_groups(orders, len(tensors))]


@partial_derivatives.register_vmap
def _(
    info: Any,
    in_dims: Any,
    tensors: Sequence[Tensor],
    name: str,
    orders: Sequence[int],
    eps: float | None,
) -> tuple[list[Tensor], list[int]]:
    results = partial_derivatives(batch_first(tensors, in_dims[0]), name, list(orders), eps)
    return results, [0] * len(results)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    tensors, ctx.name, orders, ctx.eps = inputs
    ctx.requested = _in_groups(orders, len(tensors))
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, gradients: Sequence[Tensor | None]) -> tuple[Any, ...]:
    tensors = ctx.saved_tensors

    def derivatives(requested: list[Orders]) -> Sequence[Tensor]:
        return partial_derivatives(list(tensors), ctx.name, _flat(requested), ctx.eps)

    wanted = ctx.needs_input_grad[0]
    return _pulled_back(ctx.requested, tensors, wanted, gradients, derivatives), None, None, None


partial_derivatives.register_autograd(_backward, setup_context=_setup_context)


class _ValueWithGradient(torch.autograd.Function):
    """The value and its first derivatives from one program, for `backward` outside transforms.

    The first derivatives cost little more than the value, and a program of their own would read
    the tensors again.
    """

    @staticmethod
    def forward(ctx: Any, name: str, eps: float | None, *tensors: Tensor) -> Tensor:
        value = (0,) * len(tensors)
        wanted = ctx.needs_input_grad[2:]
        ctx.name, ctx.eps, ctx.value = name, eps, value
        ctx.computed = tuple(_raised(value, place) for place, want in enumerate(wanted) if want)
        result, *derivatives = _compute(tensors, name, (value, *ctx.computed), eps)
        ctx.save_for_backward(*tensors, *derivatives)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        number = len(ctx.value)
        saved_tensors = ctx.saved_tensors  # once: a checkpoint gives them out once
        tensors, computed = saved_tensors[:number], saved_tensors[number:]

        def derivatives(requested: list[Orders]) -> Sequence[Tensor]:
            if torch.is_grad_enabled():  # they are to be differentiated again
                return _derivatives(ctx.name, ctx.eps, tensors, requested)
            saved = dict(zip(ctx.computed, computed, strict=True))
            return [saved[orders] for orders in requested]

        wanted, keep = ctx.needs_input_grad[2:], _private.graph_is_kept()
        pulled = _pulled_back([ctx.value], tensors, wanted, [gradient], derivatives, keep=keep)
        return None, None, *pulled


def _plain_gradient_is_due(name: str, tensors: Sequence[Tensor]) -> bool:
    return (
        torch.is_grad_enabled()
        and found(name)[0].derivatives_are_shared
        and is_plain(tensors)
        and any(t.requires_grad for t in tensors)
        and not _has_transforms()
    )


class _PartialDerivatives(torch.autograd.Function):
    """The operator with forward mode and the transforms of `torch.func`, for eager calls."""

    @staticmethod
    def forward(
        name: str, requested: Sequence[Orders], eps: float | None, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        if is_plain(tensors):  # not by the dispatcher, which doubles the time of a small call
            return tuple(_compute(tensors, name, requested, eps))
        return tuple(partial_derivatives(list(tensors), name, _flat(requested), eps))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.name, ctx.requested, ctx.eps, *tensors = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        tensors, wanted = ctx.saved_tensors, ctx.needs_input_grad[3:]
        derivatives = partial(_derivatives, ctx.name, ctx.eps, tensors)
        return (
            None,
            None,
            None,
            *_pulled_back(ctx.requested, tensors, wanted, gradients, derivatives),
        )

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> tuple[Tensor, ...]:
        # torch calls this with forward mode disabled, which silently loses the tangents of a
        # transform around this one. It is enabled, and the tensors lose this level's tangents.
        with _private.forward_mode_enabled():
            primals = [forward_ad.unpack_dual(t).primal for t in ctx.saved_tensors]
            derivatives = partial(_derivatives, ctx.name, ctx.eps, primals)
            return _pushed_forward(ctx.requested, tangents[3:], derivatives)

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[Any, ...],
        name: str,
        requested: Sequence[Orders],
        eps: float | None,
        *tensors: Tensor,
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        batched = batch_first(tensors, in_dims[3:])
        return _derivatives(name, eps, batched, requested), (0,) * len(requested)


def _derivatives(
    name: str, eps: float | None, tensors: Sequence[Tensor], requested: Sequence[Orders]
) -> tuple[Tensor, ...]:
    if not torch.is_grad_enabled() and is_plain(tensors) and not _has_transforms():
        return tuple(_compute(tensors, name, requested, eps))  # usually a first derivative
    results: tuple[Tensor, ...] = _PartialDerivatives.apply(name, tuple(requested), eps, *tensors)
    return results


# torch inspects the signature of `forward` at each call, which is fast if stored.
_forward = _PartialDerivatives.forward
_forward.__signature__ = inspect.signature(_forward)  # type: ignore[attr-defined]


_Derivatives = Callable[[list[Orders]], Sequence[Tensor]]


def _pulled_back(
    requested: Sequence[Orders],
    tensors: Sequence[Tensor],
    wanted: Sequence[bool],
    gradients: Sequence[Tensor | None],
    derivatives: _Derivatives,
    *,
    keep: bool = False,
) -> list[Tensor | None]:
    """The gradient in every tensor wanted: the sum of gradient times derivative, over results.

    Unless they are to be kept, the derivatives are overwritten where nothing else refers to them.
    """
    present = [(o, g) for o, g in zip(requested, gradients, strict=True) if g is not None]
    places = [place for place, want in enumerate(wanted) if want]
    partials_of = _by_orders([_raised(o, i) for o, _ in present for i in places], derivatives)
    # Multiplied in place, a third less memory is written.
    alone = len(present) == 1 and not torch.is_grad_enabled() and not keep
    in_place = alone and not _private.is_transformed(present[0][1])
    times = Tensor.mul_ if in_place else Tensor.mul
    result: list[Tensor | None] = [None] * len(tensors)
    for i in places:
        terms = [times(partials_of[_raised(o, i)], gradient) for o, gradient in present]
        if terms:
            result[i] = sum(terms[1:], start=terms[0]).sum_to_size(tensors[i].shape)
    return result


def _pushed_forward(
    requested: Sequence[Orders], tangents: Sequence[Tensor | None], derivatives: _Derivatives
) -> tuple[Tensor, ...]:
    """The tangent of every result: the sum of tangent times derivative over the tensors."""
    present = [(place, t) for place, t in enumerate(tangents) if t is not None]
    partials_of = _by_orders([_raised(o, i) for o in requested for i, _ in present], derivatives)
    results = []
    for orders in requested:
        terms = [tangent * partials_of[_raised(orders, i)] for i, tangent in present]
        results.append(sum(terms[1:], start=terms[0]))
    return tuple(results)


def _by_orders(requested: Sequence[Orders], derivatives: _Derivatives) -> dict[Orders, Tensor]:
    # mixed derivatives are requested twice, and computed once
    distinct = sorted(set(requested))
    return dict(zip(distinct, derivatives(distinct), strict=True)) if distinct else {}


def _raised(orders: Orders, place: int) -> Orders:
    return (*orders[:place], orders[place] + 1, *orders[place + 1 :])


def _flat(requested: Sequence[Orders]) -> list[int]:
    return [order for orders in requested for order in orders]


def _in_groups(orders: Sequence[int], size: int) -> tuple[Orders, ...]:
    return tuple(tuple(orders[i : i + size]) for i in range(0, len(orders), size))


def is_plain(tensors: Sequence[Tensor]) -> bool:
    """Whether the tensors are of torch's own class, with values, and no mode looks at them."""
    if _private.dispatch_mode_is_active():
        return False
    return all(type(t) in (Tensor, torch.nn.Parameter) and not t.is_meta for t in tensors)


def _has_transforms() -> bool:
    return _private.function_transform_is_active() or _private.forward_mode_is_active()


def _refuse_forward_mode() -> None:
    # Below autograd a dual number has lost its tangent. `_PartialDerivatives` has a jvp of its own,
    # and torch runs its forward with forward mode disabled.
    if _private.forward_mode_is_active() and _private.forward_mode_is_enabled():
        raise RuntimeError(
            "torch.ops.jaxnb.partial_derivatives has no forward-mode derivative: call the functions"
            " of jaxnb.torch_bridge outside torch.compile instead"
        )
