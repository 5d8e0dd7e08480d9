"""Bad input and missing modules: one line that says what is wrong and what to do."""

import importlib
from types import ModuleType
from typing import Any

__all__ = ["InputError", "layer_names", "optional_module"]

# How a user gets a module that jaxnb itself does not require.
_INSTALL = {
    "anndata": 'pip install "jaxnb[anndata]"',
    # The regression and `python -m jaxnb de`, which read formulas.
    "formulaic": 'pip install "jaxnb[glm]"',
    "dask": 'pip install "jaxnb[dask]"',
    # Whoever reads HDF5 or text will need the others too.
    "h5py": 'pip install "jaxnb[io]"',
    "matplotlib": 'pip install "jaxnb[plot]"',
    "pandas": 'pip install "jaxnb[io]"',
}


class InputError(ValueError):
    """Bad input. The message is one line; the command line prints it and ends with status 2."""


def layer_names(data: Any) -> list[str]:
    """The layers of an AnnData that can be asked for by name: since anndata 0.13, None is X."""
    return sorted(name for name in data.layers if name is not None)


def optional_module(name: str, purpose: str) -> ModuleType:
    """Import an optional dependency.

    Raises:
        InputError: it is not installed; the message names it and the command that installs it.
    """
    try:
        return required_module(name, purpose)
    except ImportError as error:
        raise InputError(str(error)) from error


def required_module(name: str, purpose: str) -> ModuleType:
    """Import what a module cannot do without.

    Raises:
        ImportError: it is not installed; the message is that of `optional_module`.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        module = name.partition(".")[0]
        command = _INSTALL.get(module, f"pip install {module}")
        raise ImportError(f"{purpose} needs {module}: {command}") from error
