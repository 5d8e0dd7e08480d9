"""What importing the package does and does not do, and the README's code."""

import doctest
import importlib.util
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]


def test_import_leaves_optional_modules_and_the_backends_alone():
    program = """
import sys, jaxnb
for name in jaxnb.__all__:
    if name not in ("glm", "torch_bridge"):  # which need pandas and torch
        getattr(jaxnb, name)
for module in ("anndata", "dask", "formulaic", "matplotlib", "pandas", "torch"):
    assert module not in sys.modules, module
from jax._src import xla_bridge
assert not xla_bridge._backends, "a JAX backend was initialized"
"""
    subprocess.run([sys.executable, "-c", program], check=True)


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


def test_readme_code_runs_unchanged():
    text = (ROOT / "README.md").read_text()
    if importlib.util.find_spec("torch") is None:
        text = re.sub(r"## On torch tensors\n.*?(?=\n## )", "", text, flags=re.DOTALL)
    session = doctest.DocTestParser().get_doctest(text, {}, "README.md", None, 0)
    results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(session)
    assert results.attempted >= 3
    assert results.failed == 0
