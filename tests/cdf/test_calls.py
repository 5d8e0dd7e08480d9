"""What the functions of every distribution hand to the one that evaluates tails."""

import importlib
import inspect
import pkgutil

import jax.numpy as jnp
import numpy as np
import pytest

from jaxnb.cdf import functions
from jaxnb.cdf.kernels import mixture_nb
from jaxnb.cdf.tails import Tails

MODULES = [module.name for module in pkgutil.iter_modules(functions.__path__)]
VALUES = {"mu": 2.0, "theta": 1.0, "zi_logits": -0.5, "mixture_logits": 0.5}


@pytest.mark.quick
@pytest.mark.parametrize("logarithm", [True, False])
@pytest.mark.parametrize("tail", ["cdf", "sf"])
@pytest.mark.parametrize("name", MODULES)
def test_every_function_asks_for_its_own_tail(name, tail, logarithm, monkeypatch):
    module = importlib.import_module(f"{functions.__name__}.{name}")
    asked = []

    def log_tail(kernel, function, upper, x, **given):
        asked.append((function, upper, list(given)))
        return jnp.log(0.25)

    monkeypatch.setattr(module, "log_tail", log_tail)
    called = f"{name}_log_{tail}" if logarithm else f"{name}_{tail}"
    public = getattr(module, called)
    given = [a for a in inspect.signature(public).parameters if a.rstrip("_12") in VALUES]
    values = {argument: VALUES[argument.rstrip("_12")] for argument in given}
    got = public(3.0, **values)
    np.testing.assert_allclose(got, np.log(0.25) if logarithm else 0.25, rtol=1e-6)
    ((function, upper, handed),) = asked
    assert function == called
    assert upper == (tail == "sf")
    assert set(given) <= set(handed)


@pytest.mark.quick
def test_each_component_of_a_mixture_is_asked_for_on_its_own_scales(monkeypatch):
    asked = []

    def log_tails(scales, x, mu, theta):
        asked.append((scales, mu, theta))
        return Tails(*(jnp.log(0.5) for _ in Tails._fields))

    monkeypatch.setattr(mixture_nb, "nb_log_tails", log_tails)
    scales = ("log", "linear", "linear", "log")  # of mu_1, mu_2, theta_1 and theta_2
    mixture_nb._log_tails(scales, jnp.float32(3), 1.0, 2.0, 3.0, 4.0, jnp.float32(0))
    assert asked == [(("log", "linear"), 1.0, 3.0), (("linear", "log"), 2.0, 4.0)]
