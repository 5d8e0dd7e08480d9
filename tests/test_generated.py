"""The files that are written from the declarations."""

import inspect
import subprocess
import sys

import pytest

import jaxnb
from jaxnb import declarations
from jaxnb.declarations import DECLARATIONS, public_functions
from jaxnb.families import FAMILIES


@pytest.mark.quick
def test_they_are_current():
    """What a declaration or a template says has been written."""
    pytest.importorskip("ruff")
    check = [sys.executable, "-m", "jaxnb._generate", "--check"]
    run = subprocess.run(check, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.quick
def test_every_declared_function_is_public():
    kinds = ("log_prob", "log_cdf", "log_sf", "cdf", "sf", "quantile", "log_interval")
    for name in public_functions(kinds):
        assert name in jaxnb.__all__
        assert getattr(jaxnb, name).__name__ == name
    for declared in DECLARATIONS:
        for p in declared.public:
            parameters = inspect.signature(getattr(jaxnb, f"{declared.stem}_log_cdf")).parameters
            assert p.keyword in parameters
            assert (f"log_{p.name}" in parameters) == p.has_log_scale


@pytest.mark.quick
def test_a_floor_is_declared_where_the_likelihood_has_one():
    for declared in DECLARATIONS:
        if not declared.limit_of:
            assert declared.has_floor == bool(FAMILIES[declared.name].floored)


@pytest.mark.quick
def test_a_limit_is_a_distribution_with_parameters_fixed():
    assert [p.name for p in declarations.POISSON.public] == ["mu"]
    assert [p.keyword for p in declarations.ZIP.public] == ["mu", "zi_logits"]
