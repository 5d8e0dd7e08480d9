"""What the programs look like: a conditional on CPU, and none on CUDA and TPU.

Nothing runs on a device here; the programs are lowered for it by `jax.export`.
"""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import jaxnb
from jaxnb import random

X, MEANS, THETAS = np.arange(12.0).reshape(4, 3), np.full((4, 3), 2.5), np.full(3, 1.5)
FUNCTIONS = {
    "nb": (jaxnb.log_nb_positive, (X, MEANS, THETAS)),
    "nb-log": (
        lambda x, a, b: jaxnb.log_nb_positive(x, log_mu=a, log_theta=b),
        (X, MEANS, THETAS),
    ),
    "zinb": (jaxnb.log_zinb_positive, (X, MEANS, THETAS, THETAS)),
    "mixture": (jaxnb.log_mixture_nb, (X, MEANS, MEANS, THETAS, THETAS, THETAS)),
}


def gradient(function, arguments):
    positions = tuple(range(1, len(arguments)))
    return jax.value_and_grad(lambda *a: function(*a).sum(), positions)


def hessian_in_theta(function, arguments):
    return jax.jacfwd(jax.grad(lambda t, *a: function(*a[:2], t, *a[2:]).sum()))


def lowered(function, arguments, platform, dtype):
    with jax.enable_x64(dtype == "float64"):
        shapes = [jax.ShapeDtypeStruct(np.shape(a), dtype) for a in arguments]
        return export.export(jax.jit(function), platforms=[platform])(*shapes).mlir_module()


def data_dependent_conditionals(program):
    """Those that do not switch on the platform, which is a constant or chosen by one."""
    operands = set(re.findall(r'"stablehlo\.case"\((%\w+)\)', program))
    switches = set(re.findall(r'(%\w+) = "stablehlo\.case"\(%c', program))
    others = {name for name in operands if not name.startswith("%c")} - switches
    return others | set(re.findall(r"stablehlo\.if", program))


@pytest.mark.parametrize(
    ("platform", "dtype"), [("cuda", "float32"), ("cuda", "float64"), ("tpu", "float32")]
)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_likelihoods_lower_without_our_cpu_code(name, platform, dtype):
    function, arguments = FUNCTIONS[name]
    of_theta = [arguments[2], *arguments[:2], *arguments[3:]]
    for program in (
        lowered(function, arguments, platform, dtype),
        lowered(gradient(function, arguments), arguments, platform, dtype),
        lowered(hessian_in_theta(function, arguments), of_theta, platform, dtype),
    ):
        assert not data_dependent_conditionals(program)
        assert "bitcast_convert" not in program


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("function", [jaxnb.nb_log_cdf, jaxnb.nb_log_sf])
def test_distribution_functions_lower(function, platform):
    arguments = (X, MEANS, THETAS)
    lowered(gradient(function, arguments), arguments, platform, "float32")


def test_float64_lowers_for_tpu():
    """TPUs have no 64-bit bit cast."""
    for name in ("nb", "zinb", "mixture"):
        function, arguments = FUNCTIONS[name]
        program = lowered(gradient(function, arguments), arguments, "tpu", "float64")
        assert "bitcast_convert" not in program


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_samplers_lower(platform):
    def draws(key, mu, theta):
        return random.negative_binomial(key, mu, theta, (4, 3))

    key = jax.eval_shape(lambda: jax.random.key(0))
    shapes = [jax.ShapeDtypeStruct((3,), "float32")] * 2
    export.export(jax.jit(draws), platforms=[platform])(key, *shapes)


def test_symbolic_batch_sizes():
    (rows,) = export.symbolic_shape("rows")
    shapes = [jax.ShapeDtypeStruct((rows, 3), "float32")] * 2
    theta = jax.ShapeDtypeStruct((3,), "float32")
    for platform in ("cpu", "cuda"):
        exported = export.export(jax.jit(jaxnb.log_nb_positive), platforms=[platform])(
            *shapes, theta
        )
        assert "rows" in str(exported.out_avals[0].shape)


def test_the_conditional_is_there_on_cpu():
    """Without it XLA fuses the sum into the kernel, and the kernel is no longer vectorized."""
    function, arguments = FUNCTIONS["nb"]
    compiled = jax.jit(gradient(function, arguments)).lower(*map(jnp.float32, arguments)).compile()
    assert compiled.as_text().count(" conditional(") >= 3
