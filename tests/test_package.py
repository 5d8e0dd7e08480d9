"""What importing the package does and does not do, and the README's code."""

import ast
import doctest
import importlib.util
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

from jaxnb._errors import InputError, optional_module

ROOT = pathlib.Path(__file__).parents[1]
NOT_BY_DEFAULT = {"slow", "scvi"}


def test_import_leaves_optional_modules_and_the_backends_alone():
    program = """
import sys, jaxnb
for name in jaxnb.__all__:
    getattr(jaxnb, name)
for module in ("anndata", "dask", "formulaic", "matplotlib", "pandas", "torch"):
    assert module not in sys.modules, module
from jax._src import xla_bridge
assert not xla_bridge._backends, "a JAX backend was initialized"
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_required_packages_are_enough_to_import_everything_and_to_read_help():
    program = """
import pydoc, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in (
            "anndata", "dask", "formulaic", "h5py", "matplotlib", "pandas", "torch", "zarr"
        ):
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
from jaxnb import *
import jaxnb
assert "nb_log_prob" in pydoc.render_doc(jaxnb)
assert "glm" not in dir(jaxnb)
for name in jaxnb.__all__:
    assert pydoc.render_doc(getattr(jaxnb, name))
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.slow
def test_modules_show_their_public_names_only():
    program = """
import jaxnb
from jaxnb import likelihoods
modules = [getattr(jaxnb, name) for name in dir(jaxnb)]
for module in [likelihoods, *(m for m in modules if type(m) is type(jaxnb))]:
    assert dir(module) == sorted(module.__all__), module
    for name in set(dir(module)) - {"PyDESeq2Inference"}:  # which needs PyDESeq2
        value = getattr(module, name)
        assert getattr(value, "__module__", "jaxnb").startswith("jaxnb"), (module, name)
        if callable(value):
            assert value.__doc__, (module, name)
assert set(jaxnb.__all__) <= set(dir(jaxnb))
assert {"cdf", "fit", "nb_log_prob", "NegativeBinomial"} <= set(dir(jaxnb))
assert not {"annotations", "families", "importlib", "moments", "special"} & set(dir(jaxnb))
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.quick
def test_the_command_line_answers_without_jax():
    program = """
import sys
from jaxnb.__main__ import main
try:
    main(["fit", "--help"])
except SystemExit as stop:
    assert not stop.code
assert not {"jax", "numpy", "scipy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_readme_code_runs_unchanged():
    text = (ROOT / "README.md").read_text()
    if importlib.util.find_spec("torch") is None:
        text = re.sub(r"\n>>> import torch\n.*?\n\n", "", text, flags=re.DOTALL)
    session = doctest.DocTestParser().get_doctest(text, {}, "README.md", None, 0)
    results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(session)
    assert results.attempted >= 3
    assert results.failed == 0


@pytest.mark.quick
def test_the_source_distribution_has_what_its_tests_read():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = settings["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    tests = " ".join(file.read_text() for file in (ROOT / "tests").glob("test_*.py"))
    read = set(re.findall(r'ROOT / "([\w.]+)', tests)) - {"pyproject.toml"}
    assert read <= {*included, "PKG-INFO"}, read


def marks(nodes: list[ast.expr]) -> set[str]:
    """Of pytest, among decorators or what is assigned to `pytestmark`."""
    heads = [node.func if isinstance(node, ast.Call) else node for node in nodes]
    return {
        head.attr
        for head in heads
        if isinstance(head, ast.Attribute) and ast.unparse(head.value) == "pytest.mark"
    }


def has_tests_by_default(module: ast.Module) -> bool:
    """Whether not all of its tests are marked to be left out; parameters are not looked at."""
    assigned = [
        value
        for node in module.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
        for value in (node.value.elts if isinstance(node.value, ast.List) else [node.value])
    ]
    decorators = [
        node.decorator_list
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    return any(not marks([*assigned, *listed]) & NOT_BY_DEFAULT for listed in decorators)


# Their cheapest test takes 5 to 20 s of processor time.
SECONDS_TO_COMPILE = {
    "fuzz/test_fuzz.py",
    "likelihoods/test_hessians.py",
    "likelihoods/test_stages.py",
    "likelihoods/test_transform_matrix.py",
}


@pytest.mark.quick
def test_every_file_of_the_default_run_has_a_quick_test():
    """So that `pytest -m quick` looks into every part of the package."""
    without = []
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        module = ast.parse(file.read_text())
        marked = any(
            isinstance(node, ast.Attribute) and ast.unparse(node) == "pytest.mark.quick"
            for node in ast.walk(module)
        )
        if has_tests_by_default(module) and not marked:
            without.append(file.relative_to(ROOT / "tests").as_posix())
    assert set(without) == SECONDS_TO_COMPILE


def test_a_missing_part_of_a_package_is_installed_by_the_name_of_the_package():
    with pytest.raises(InputError, match=r"a test needs nothing_there: pip install nothing_there$"):
        optional_module("nothing_there.part", "a test")
