"""What the programs look like: a conditional on CPU, and none on CUDA and TPU.

That the likelihoods with their second derivatives are free of it in float32, and their values in
float64, is in `likelihoods/test_scan.py`, which runs the same programs.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from device_code import (
    BITS_ON_CPU,
    DEVICES,
    barriers_on_cpu,
    check_on_devices,
    data_dependent_conditionals,
    lowered,
)
from jax import export
from registry import CASES, DISTRIBUTIONS

import jaxnb
from jaxnb import cdf, random
from jaxnb.declarations import DECLARATIONS

SHAPE = (4, 3)
DRAWN = (200, 50)  # enough for what samplers do with many elements alone
NB, ZERO_TRUNCATED = "negative_binomial", "zero_truncated_negative_binomial"
PARAMETERS = {declared.stem: len(declared.public) for declared in DECLARATIONS}
DTYPES = ("float32", "float64")


@pytest.fixture(autouse=True, scope="module")
def _without_functions_of_jax():
    """JAX 0.12 itself writes gammaln and ndtri with bit casts and a barrier: here, something else.

    Programs are traced anew in this module, and dropped after it.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module, name in [
            ("start", "gammaln"),
            ("start", "ndtri"),
            ("divergence_sums", "gammaln"),
            ("divergence_sums", "digamma"),
            ("normal", "ndtri"),
        ]:
            patch.setattr(f"jaxnb.cdf.{module}.{name}", jnp.sin)
        yield


def number_of_arguments(name):
    if name == "nb_kl_divergence":
        return 4
    family = next(f for f in sorted(PARAMETERS, key=len, reverse=True) if name.startswith(f))
    counts = 2 if name.endswith("interval") else not name.endswith("entropy")
    return PARAMETERS[family] + counts


SAMPLERS = {"gamma": 1, "poisson": 1} | {
    name: len(case.values) for name, case in DISTRIBUTIONS.items()
}


def total(function):
    return lambda *a: function(*a).sum()


def gradient(function, arguments):
    return jax.value_and_grad(total(function), tuple(range(1, arguments)))


def hessian(function, arguments):
    """In the first parameter after x and in the last one, from derivatives in each.

    An entropy has no x, and may have one parameter.
    """
    wrt = tuple(sorted({min(1, arguments - 1), arguments - 1}))
    return jax.jacfwd(jax.grad(total(function), wrt), wrt)


def shapes(number, dtype):
    return [jax.ShapeDtypeStruct(SHAPE if i < 2 else (3,), dtype) for i in range(number)]


def often(values, chosen):
    return [
        pytest.param(*v, marks=() if v in chosen else pytest.mark.slow, id="-".join(map(str, v)))
        for v in values
    ]


@pytest.mark.parametrize(
    ("name", "scale", "dtype"),
    often(
        [(name, scale, dtype) for name in CASES for scale in ("linear", "log") for dtype in DTYPES],
        {(NB, "log", "float32"), (NB, "linear", "float64"), (ZERO_TRUNCATED, "linear", "float64")},
    ),
)
def test_likelihoods_lower_without_our_cpu_code(name, scale, dtype):
    case = CASES[name]
    function = case.on_log_scale if scale == "log" else case.log_prob
    arguments = shapes(len(case.values) + 1, dtype)
    check_on_devices(gradient(function, len(arguments)), arguments)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("name", CASES)
def test_hessians_of_likelihoods_lower_without_our_cpu_code(name, scale, dtype):
    case = CASES[name]
    function = case.on_log_scale if scale == "log" else case.log_prob
    arguments = shapes(len(case.values) + 1, dtype)
    check_on_devices(hessian(function, len(arguments)), arguments)


# Those through which the others go: both tails in their logarithms, every kind of program.
OFTEN = {"nb_log_cdf", "nb_entropy", "zero_truncated_nb_quantile"}


@pytest.mark.parametrize(
    ("name", "dtype"),
    often(
        [(name, dtype) for name in cdf.__all__ for dtype in DTYPES],
        {(name, "float32") for name in OFTEN},
    ),
)
def test_distribution_functions_lower_without_our_cpu_code(name, dtype):
    function, number = getattr(cdf, name), number_of_arguments(name)
    with_gradient = "quantile" not in name and number > 1
    arguments = shapes(number, dtype)
    check_on_devices(gradient(function, number) if with_gradient else function, arguments)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in cdf.__all__ if "quantile" not in n])
def test_hessians_of_distribution_functions_lower_without_our_cpu_code(name):
    number = number_of_arguments(name)
    check_on_devices(hessian(getattr(cdf, name), number), shapes(number, "float32"))


@pytest.mark.parametrize(
    ("name", "platform", "dtype"),
    often(
        [(name, device, dtype) for name in SAMPLERS for device in DEVICES for dtype in DTYPES],
        {
            *((name, "tpu", "float64") for name in (NB, "hurdle_negative_binomial")),
            *((name, "cuda", "float32") for name in ("gamma", "poisson")),
        },
    ),
)
def test_samplers_lower_without_our_cpu_code(name, platform, dtype):
    def draw(key, *parameters):
        return getattr(random, name)(key, *parameters, shape=DRAWN, dtype=dtype)

    key = jax.eval_shape(lambda: jax.random.key(0))
    parameters = [jax.ShapeDtypeStruct(DRAWN, dtype)] * SAMPLERS[name]
    check_on_devices(draw, [key, *parameters], [platform], draws=True)


@pytest.mark.parametrize(
    "name", ["pearson_residuals", "deviance_residuals", "mid_quantile_residuals"]
)
def test_residuals_lower_without_our_cpu_code(name):
    def residuals(x, mu, theta):
        return getattr(jaxnb.NegativeBinomial(mu=mu, theta=theta), name)(x)

    check_on_devices(residuals, shapes(3, "float32"), ["cuda"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "dtype"),
    [
        (jaxnb.log_nb_positive, "int32"),
        (jaxnb.nb_log_cdf, "float32"),
        (jaxnb.log_nb_positive, "float32"),
        (jaxnb.nb_log_cdf, "int32"),
    ],
)
def test_symbolic_batch_sizes(function, dtype):
    (rows,) = export.symbolic_shape("rows")
    counts = jax.ShapeDtypeStruct((rows, 3), dtype)
    means, theta = (jax.ShapeDtypeStruct(s, "float32") for s in ((rows, 3), (3,)))
    export_it = export.export(jax.jit(gradient(function, 3)), platforms=["cpu", *DEVICES])
    assert "rows" in str([a.shape for a in export_it(counts, means, theta).out_avals])


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("length", [7, 2000])
def test_samplers_with_a_symbolic_batch_size_draw_the_same(name, length):
    """Beyond the size from which the sampler of a known size draws in another order, too."""
    case = DISTRIBUTIONS[name]
    (rows,) = export.symbolic_shape("rows")

    def draw(key, *parameters):
        return case.family.sampler(jax.random.wrap_key_data(key), *parameters)

    words = jax.ShapeDtypeStruct((2,), "uint32")
    symbolic = [jax.ShapeDtypeStruct((rows, 3), "float32") for _ in case.values]
    exported = export.export(jax.jit(draw))(words, *symbolic)
    key = jax.random.key(0)
    parameters = case.arrays((length, 3))
    expected = case.family.sampler(key, *parameters)
    np.testing.assert_array_equal(exported.call(jax.random.key_data(key), *parameters), expected)


def test_the_conditional_is_there_on_cpu_and_reserves_little_memory():
    """Without it XLA fuses the sum into the kernel, and the kernel is no longer vectorized.

    Memory that is reserved but not used costs page faults in every call.
    """
    arguments = [jax.ShapeDtypeStruct(s, "float32") for s in ((512, 2000), (512, 2000), (2000,))]
    compiled = jax.jit(gradient(jaxnb.log_nb_positive, 3)).lower(*arguments).compile()
    assert compiled.as_text().count(" conditional(") >= 1
    assert compiled.memory_analysis().temp_size_in_bytes < 3 * 4 * 512 * 2000


@pytest.mark.quick
def test_our_cpu_code_is_recognized():
    """What is looked for in the programs for devices is there on CPU."""
    for dtype in DTYPES:
        with jax.enable_x64(dtype == "float64"):
            traced = jax.jit(total(jaxnb.log_nb_positive)).trace(*shapes(3, dtype))
            program = lowered(traced, "cpu")
        found = sum(f"dense<{bits}>" in program for bits in BITS_ON_CPU)
        assert found == (2 if dtype == "float64" else 1)
        assert barriers_on_cpu(program)
        assert "bitcast_convert" in program
        assert data_dependent_conditionals(program)
