"""Faults in the torch bridge, and in derivatives that only the bridge asks for."""

from fault import Fault

__all__ = ["TORCH"]

_BRIDGE = ("torch_bridge",)

TORCH = (
    Fault(
        "torch-in-place",
        "a derivative is multiplied in place although it is kept for another pass",
        "torch_bridge/pointwise.py",
        "alone = len(present) == 1 and not torch.is_grad_enabled() and not keep",
        "alone = len(present) == 1 and not torch.is_grad_enabled()",
        _BRIDGE,
        torch=True,
    ),
    Fault(
        "torch-vmap-axis",
        "the axis of vmap is taken to be the first one",
        "torch_bridge/layout.py",
        "tensor.unsqueeze(0) if axis is None else tensor.movedim(axis, 0)",
        "tensor.unsqueeze(0) if axis is None else tensor",
        _BRIDGE,
        torch=True,
    ),
    Fault(
        "torch-generator-ignored",
        "the seed comes from the default generator, whichever is given",
        "torch_bridge/sampling.py",
        "dtype=torch.int64, generator=generator, device=device)",
        "dtype=torch.int64, device=device)",
        _BRIDGE,
        torch=True,
    ),
    Fault(
        "torch-derivative-of-value",
        "a first derivative is the value",
        "torch_bridge/programs.py",
        "return orders.index(1) if any(orders) else VALUE",
        "return orders.index(1) if sum(orders) > 1 else VALUE",
        _BRIDGE,
        torch=True,
    ),
    Fault(
        "torch-floor-lost",
        "log_prob of a distribution ignores the floor that it was given",
        "torch_bridge/counts.py",
        "type(self)._function(value, eps=self._eps, **self._arguments())",
        "type(self)._function(value, **self._arguments())",
        _BRIDGE,
        torch=True,
    ),
    Fault(
        "torch-copy-shares-memory",
        "to_jax with copy=True shares the memory of a contiguous tensor",
        "torch_bridge/exchange.py",
        "_imported(plain.clone(memory_format=torch.contiguous_format))",
        "_imported(plain.contiguous())",
        _BRIDGE,
        torch=True,
    ),
    Fault(
        "torch-cuda-freed-early",
        "memory of JAX is given back before torch's stream is past it",
        "torch_bridge/cuda.py",
        "while self._held and self._held[0][0].query():",
        "while self._held:",
        _BRIDGE,
        torch=True,
    ),
    Fault(
        "torch-undo-of-patch",
        "undoing the patch of scvi-tools changes nothing",
        "torch_bridge/scvi.py",
        "_replace_in_scvi([(new, old) for old, new in self._replacements])",
        "_replace_in_scvi([(old, new) for old, new in self._replacements])",
        _BRIDGE,
        torch=True,
    ),
    Fault(
        "torch-tied-theta",
        "the gradient in a theta of both components is that of the first",
        "families.py",
        "return [reduce(add, [next(found) for _ in of_place]) for of_place in parts]",
        "return [[next(found) for _ in of_place][0] for of_place in parts]",
        ("torch_bridge", "test_families.py"),
        torch=True,
    ),
    Fault(
        "torch-hurdle-logits",
        "the derivative of positive counts in the hurdle's logits has the wrong sign",
        "likelihoods/hurdle.py",
        "return jnp.where(zero, sigmoid(-pi), -sigmoid(pi))",
        "return jnp.where(zero, sigmoid(-pi), sigmoid(pi))",
        ("torch_bridge", "likelihoods"),
        torch=True,
    ),
)
