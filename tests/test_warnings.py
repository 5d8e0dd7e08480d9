"""Warnings point at the line of the user, however deep they are issued."""

import warnings

import pytest

import jaxnb
from jaxnb._warnings import warn


def from_module(name):
    """A function that calls `warn`, as if it were defined in that module."""
    namespace = {"__name__": name, "warn": warn}
    exec("def call(function, *arguments):\n    function(*arguments)", namespace)
    return namespace["call"]


@pytest.mark.quick
def test_frames_of_the_package_and_of_numpyro_are_passed():
    inside, numpyro = from_module("jaxnb.fit.inner"), from_module("numpyro.handlers")
    with pytest.warns(UserWarning, match="said") as seen:
        inside(numpyro, inside, warn, "said")
    assert seen[0].filename == __file__


def test_public_functions_warn_at_the_line_that_calls_them():
    distribution = jaxnb.NegativeBinomial(mu=2.0, theta=1.0, validate_args=True)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        distribution.log_prob(0.5)
    assert [warning.filename for warning in seen] == [__file__]
