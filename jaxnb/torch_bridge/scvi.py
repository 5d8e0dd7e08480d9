"""Making an installed scvi-tools use these functions and classes."""

import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from types import ModuleType, TracebackType
from typing import Any, Self

from torch import Tensor

from jaxnb._warnings import warn
from jaxnb.declarations import DECLARATIONS
from jaxnb.torch_bridge import classes, original_names

__all__ = ["ScviPatch", "patch_scvi"]

_REPLACED = [d for d in DECLARATIONS if d.in_scvi and not d.limit_of]
_CLASSES = [getattr(classes, declared.class_name) for declared in _REPLACED]
_FUNCTIONS = [getattr(original_names, declared.log_prob) for declared in _REPLACED]


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

    The three functions and the three classes are replaced in every module of scvi-tools that has
    them under any name, loaded now or later. Call it before a model is made, because distributions
    that exist already do not change, and before importing one of the six from scvi-tools into other
    code: such a name is reported in a warning, and not replaced.

    Returns:
        A patch, whose `undo()` restores the originals; also a context manager that calls it::

            with jaxnb.torch_bridge.patch_scvi():
                model.train()

        Patching what is patched already changes nothing, and neither does undoing that.

    Raises:
        ImportError: scvi-tools is not installed, or its own import fails: beside JAX it needs flax,
            which its installation does not bring along.
    """
    scvi = _source()
    kinds = [(getattr(scvi, new.__name__), new) for new in _CLASSES]
    if kinds[0][0] is kinds[0][1]:
        return ScviPatch([])
    pairs = [(getattr(scvi, new.__name__), new) for new in _FUNCTIONS]
    replacements = [*kinds, *((old, _on_tensors(new, old)) for old, new in pairs)]
    _warn_of_names_elsewhere([old for old, _ in replacements])
    return ScviPatch(replacements)


def _source() -> ModuleType:
    """The module of scvi-tools that defines the six.

    Raises:
        ImportError: scvi-tools is not installed, or its own import fails.
    """
    try:
        # The package first: after an import that failed, Python keeps the submodules that it got.
        importlib.import_module("scvi")
        return importlib.import_module("scvi.distributions._negative_binomial")
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "scvi":
            raise ImportError("patch_scvi needs scvi-tools: pip install scvi-tools") from error
        flax = (
            "" if _is_installed("flax") else "; beside JAX, scvi-tools needs flax: pip install flax"
        )
        raise ImportError(f"scvi-tools cannot be imported ({error}){flax}") from error


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # a module without a specification
        return name in sys.modules


def _on_tensors(ours: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """Ours for tensors; scvi-tools' own JAX class calls the same function with arrays."""

    @functools.wraps(original)
    def function(x: Any, *arguments: Any, **keywords: Any) -> Any:
        chosen = ours if isinstance(x, Tensor) else original
        return chosen(x, *arguments, **keywords)

    return function


def _replace_in_scvi(replacements: list[tuple[Any, Any]]) -> None:
    by_identity = {id(old): new for old, new in replacements}
    for _, module, name, value in _names_that_refer_to(by_identity, in_scvi=True):
        setattr(module, name, by_identity[id(value)])


def _warn_of_names_elsewhere(originals: list[Any]) -> None:
    found = _names_that_refer_to({id(original) for original in originals}, in_scvi=False)
    names = sorted(f"{module}.{name}" for module, _, name, _ in found)
    if names:
        warn(
            f"imported from scvi-tools before patch_scvi(), and still its own: {', '.join(names)}."
            " Call patch_scvi() before importing these, or import them from jaxnb.torch_bridge",
        )


def _names_that_refer_to(identities: Any, *, in_scvi: bool) -> Iterator[tuple[str, Any, str, Any]]:
    """Module's name, module, name and value, for the values of these identities.

    Another thread may import modules in the meantime, so that copies are iterated over: copying a
    dictionary is one step of the interpreter.
    """
    for module_name, module in sys.modules.copy().items():
        is_scvi = module_name.partition(".")[0] == "scvi"
        contents = getattr(module, "__dict__", None)
        if is_scvi == in_scvi and isinstance(contents, dict):
            for name, value in contents.copy().items():
                if id(value) in identities:
                    yield module_name, module, name, value
