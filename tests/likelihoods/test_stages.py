"""What is evaluated in stages on GPU and TPU, evaluated on CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from device_code import lowered
from jax import lax
from registry import COUNTS, DISTRIBUTIONS

import jaxnb
from jaxnb.likelihoods import evaluate
from jaxnb.likelihoods.evaluate import VALUE

NB = "negative_binomial"


def on_device(*operands, default, **_):
    return default(*operands)


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_stages_change_nothing(name, monkeypatch):
    case = DISTRIBUTIONS[name]
    (likelihood,) = case.family.outputs.args
    arguments = [jnp.asarray(a) for a in (COUNTS, *case.arrays(COUNTS.shape))]
    places = (VALUE, *case.positions)

    def outputs(*arguments):
        scales = case.family.linear_scales
        return evaluate.evaluated(likelihood, scales, places, arguments, jnp.zeros(1))

    expected = jax.jit(lambda *arguments: outputs(*arguments))(*arguments)
    monkeypatch.setattr(lax, "platform_dependent", on_device)
    program = jax.jit(lambda *arguments: outputs(*arguments)).lower(*arguments)
    assert "optimization_barrier" in program.as_text()
    for found, value in zip(program.compile()(*arguments), expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "shape", "cuda", "tpu"),
    [
        ("float32", (3,), True, False),
        ("float32", (4, 3), True, True),
        ("float64", (4, 3), True, True),
    ],
)
def test_where_value_and_derivatives_are_separate(dtype, shape, cuda, tpu):
    def gradient(x, mu, theta):
        return jax.value_and_grad(lambda *a: jaxnb.nb_log_prob(x, *a).sum(), (0, 1))(mu, theta)

    with jax.enable_x64(dtype == "float64"):
        arguments = [jax.ShapeDtypeStruct(s, dtype) for s in ((4, 3), (4, 3), shape)]
        traced = jax.jit(gradient).trace(*arguments)
        for platform, separate in (("cuda", cuda), ("tpu", tpu)):
            assert ("optimization_barrier" in lowered(traced, platform)) == separate
