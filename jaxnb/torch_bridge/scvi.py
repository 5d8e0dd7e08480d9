"""Making an installed scvi-tools use these functions and classes."""

import functools
import importlib
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from torch import Tensor

from jaxnb.torch_bridge import likelihoods
from jaxnb.torch_bridge.distributions import NegativeBinomial, ZeroInflatedNegativeBinomial
from jaxnb.torch_bridge.mixture import NegativeBinomialMixture

__all__ = ["ScviPatch", "patch_scvi"]


class ScviPatch:
    """What `patch_scvi` has replaced, and the way to undo it; a context manager that does so."""

    def __init__(self, replacements: list[tuple[Any, Any]]) -> None:
        self._replacements = replacements
        _replace_in_scvi(replacements)

    def undo(self) -> None:
        """Give scvi-tools its own functions and classes back, in every module loaded by now."""
        _replace_in_scvi([(new, old) for old, new in self._replacements])
        self._replacements = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.undo()


def patch_scvi() -> ScviPatch:
    """Make scvi-tools compute its count likelihoods by jaxnb, from now on.

    The three functions and the three classes are replaced in every module of scvi-tools that holds
    them under any name, loaded now or later. Call it before a model is made: distributions that
    exist already stay what they are.

    Returns:
        A patch, whose `undo()` restores the originals; also a context manager that calls it:

            with jaxnb.torch_bridge.patch_scvi():
                model.train()

        Patching what is patched already changes nothing, and neither does undoing that.

    Raises:
        ImportError: scvi-tools is not installed.
    """
    try:
        scvi = importlib.import_module("scvi.distributions._negative_binomial")
    except ImportError as error:
        raise ImportError("patch_scvi needs scvi-tools: pip install scvi-tools") from error
    ours = (NegativeBinomial, ZeroInflatedNegativeBinomial, NegativeBinomialMixture)
    classes = [(getattr(scvi, new.__name__), new) for new in ours]
    if classes[0][0] is classes[0][1]:
        return ScviPatch([])
    functions = [
        (getattr(scvi, name), _on_tensors(getattr(likelihoods, name), getattr(scvi, name)))
        for name in likelihoods.__all__
    ]
    return ScviPatch([*classes, *functions])


def _on_tensors(ours: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """Ours for tensors; scvi-tools' own JAX class calls the same function with arrays."""

    @functools.wraps(original)
    def function(x: Any, *arguments: Any, **keywords: Any) -> Any:
        chosen = ours if isinstance(x, Tensor) else original
        return chosen(x, *arguments, **keywords)

    return function


def _replace_in_scvi(replacements: list[tuple[Any, Any]]) -> None:
    by_identity = {id(old): new for old, new in replacements}
    modules = [m for name, m in sys.modules.items() if name.split(".")[0] == "scvi" and m]
    for module in modules:
        for name, value in list(vars(module).items()):
            if id(value) in by_identity:
                setattr(module, name, by_identity[id(value)])
