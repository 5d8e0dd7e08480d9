"""The files that are written from the declarations."""

import inspect
import subprocess
import sys
from dataclasses import replace

import pytest

import jaxnb
from jaxnb import declaration, declarations
from jaxnb._generate.functions import function
from jaxnb._generate.kinds import KINDS
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
@pytest.mark.parametrize(
    ("kind", "of_means"),
    [
        ("log_prob", "Floor on every mean"),
        ("log_interval", "with means of 1e-9"),
        ("entropy", "where a mean is"),
        ("entropy", "At a mean or theta of 0"),
    ],
)
def test_docstrings_speak_of_means_only_where_there_is_one(kind, of_means):
    (kind,) = (one for one in KINDS if one.name == kind)
    probability = declaration.Parameter("q", "q", "Probability.", has_log_scale=False)
    without = replace(declarations.NB, parameters=(probability,), original=None, notes={})
    assert of_means in " ".join(function(declarations.NB, kind).split())
    assert of_means not in " ".join(function(without, kind).split())


@pytest.mark.quick
def test_a_limit_is_a_distribution_with_parameters_fixed():
    assert [p.name for p in declarations.POISSON.public] == ["mu"]
    assert [p.keyword for p in declarations.ZIP.public] == ["mu", "zi_logits"]
