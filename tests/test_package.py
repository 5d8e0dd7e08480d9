"""What importing the package does and does not do, and the README's code."""

import doctest
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]


def test_import_leaves_torch_and_the_backends_alone():
    program = """
import sys, jaxnb
assert "torch" not in sys.modules and "matplotlib" not in sys.modules
from jax._src import xla_bridge
assert not xla_bridge._backends, "a JAX backend was initialised"
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_readme_code_runs_as_it_stands():
    failures, examples = doctest.testfile(
        str(ROOT / "README.md"), module_relative=False, optionflags=doctest.ELLIPSIS
    )
    assert examples >= 3
    assert failures == 0
