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
from jaxnb import cdf, likelihoods, random

X, MEANS, THETAS = np.arange(12.0).reshape(4, 3), np.full((4, 3), 2.5), np.full(3, 1.5)
SHAPE = (4, 3)
TARGETS = [("cuda", "float32"), ("cuda", "float64"), ("tpu", "float32"), ("tpu", "float64")]
PARAMETERS = {"poisson": 1, "nb": 2, "zinb": 3, "mixture_nb": 5, "zero_truncated_nb": 2}
PARAMETERS["hurdle_nb"] = 3


def in_logs(function):
    return lambda x, a, b, *rest: function(x, None, None, *rest, log_mu=a, log_theta=b)


LIKELIHOODS = {
    "nb": (likelihoods.log_nb_positive, 2),
    "nb-log": (in_logs(likelihoods.log_nb_positive), 2),
    "zinb": (likelihoods.log_zinb_positive, 3),
    "zinb-log": (in_logs(likelihoods.log_zinb_positive), 3),
    "mixture": (likelihoods.log_mixture_nb, 5),
    "zero-truncated": (likelihoods.log_zero_truncated_nb, 2),
    "hurdle": (likelihoods.log_hurdle_nb, 3),
}


def number_of_arguments(name):
    if name == "nb_kl_divergence":
        return 4
    family = next(f for f in sorted(PARAMETERS, key=len, reverse=True) if name.startswith(f))
    return PARAMETERS[family] + (not name.endswith("entropy"))


# Those through which the others go: both tails in their logarithms, every kind of program.
OFTEN = {
    *("nb_log_cdf", "zinb_log_sf", "mixture_nb_cdf", "hurdle_nb_log_cdf", "nb_quantile"),
    *("nb_entropy", "poisson_log_sf", "zero_truncated_nb_quantile"),
}
DISTRIBUTION_FUNCTIONS = [
    pytest.param(name, marks=() if name in OFTEN else pytest.mark.slow) for name in cdf.__all__
]
SAMPLERS = {
    "gamma": 1,
    "poisson": 1,
    "negative_binomial": 2,
    "zero_inflated_negative_binomial": 3,
    "negative_binomial_mixture": 5,
    "zero_truncated_negative_binomial": 2,
    "hurdle_negative_binomial": 3,
}


def total(function):
    return lambda *a: function(*a).sum()


def gradient(function, arguments):
    return jax.value_and_grad(total(function), tuple(range(1, arguments)))


def hessian(function, arguments):
    """In the first parameter after x and in the last one, from derivatives in each."""
    wrt = tuple(sorted({1, arguments - 1}))
    return jax.jacfwd(jax.grad(total(function), wrt), wrt)


def shapes(number, dtype):
    return [jax.ShapeDtypeStruct(SHAPE if i < 2 else (3,), dtype) for i in range(number)]


def lowered(function, arguments, platform):
    with jax.enable_x64(any(a.dtype == "float64" for a in arguments)):
        return export.export(jax.jit(function), platforms=[platform])(*arguments).mlir_module()


def data_dependent_conditionals(program):
    """The branches of those that choose between computations.

    A switch on the platform chooses between constants, and then has a single branch.
    """
    found = re.findall(r"stablehlo\.if", program)
    for case in re.finditer(r'"stablehlo\.case"\(%\w+\) \(\{', program):
        branches, depth, start = [], 1, case.end()
        for brace in re.compile(r"[{}]|\)").finditer(program, start):
            depth += {"{": 1, "}": -1, ")": 0}[brace.group()]
            if depth == 0 and brace.group() == ")":
                break
            if brace.group() == "{" and depth == 1:
                start = brace.end()
            if depth == 0:
                branches.append(program[start : brace.start()])
        computes = [b for b in branches if re.search(r"stablehlo\.(?!constant|return)|call", b)]
        if len(branches) > 1 and computes:
            found.append(computes)
    return found


# By the constants that nothing else has: 2/3 and the first guess of a reciprocal, as bits.
_BITS_ON_CPU = (0x3F2AAAAB, 0x3FE5555555555555, 0x7EF311C3, 0x7FDE6238502484BA)


def check(program, *, draws=False):
    assert not data_dependent_conditionals(program)
    assert "optimization_barrier" not in program
    assert not any(f"dense<{bits}>" in program for bits in _BITS_ON_CPU)
    if draws:  # which turn random bits into floats
        assert not re.search(r"bitcast_convert.*x?[fi]64", program)
    else:
        assert "bitcast_convert" not in program
        assert "custom_call" not in program


@pytest.mark.parametrize(("platform", "dtype"), TARGETS)
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_likelihoods_lower_without_our_cpu_code(name, platform, dtype):
    function, parameters = LIKELIHOODS[name]
    arguments = shapes(parameters + 1, dtype)
    check(lowered(gradient(function, len(arguments)), arguments, platform))
    if dtype == "float32":
        check(lowered(hessian(function, len(arguments)), arguments, platform))


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_hessians_of_likelihoods_lower_in_float64(name, platform):
    function, parameters = LIKELIHOODS[name]
    arguments = shapes(parameters + 1, "float64")
    check(lowered(hessian(function, len(arguments)), arguments, platform))


@pytest.mark.parametrize("name", DISTRIBUTION_FUNCTIONS)
def test_distribution_functions_lower_without_our_cpu_code(name):
    function, number = getattr(cdf, name), number_of_arguments(name)
    with_gradient = "quantile" not in name and number > 1
    for platform, dtype in [("cuda", "float32"), ("tpu", "float64")]:
        arguments = shapes(number, dtype)
        check(
            lowered(gradient(function, number) if with_gradient else function, arguments, platform)
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in cdf.__all__ if "quantile" not in n])
def test_distribution_functions_lower_everywhere_with_their_hessians(name):
    function, number = getattr(cdf, name), number_of_arguments(name)
    for platform, dtype in TARGETS:
        arguments = shapes(number, dtype)
        check(lowered(gradient(function, number), arguments, platform))
        if dtype == "float32":
            check(lowered(hessian(function, number), arguments, platform))


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_lower_without_our_cpu_code(name):
    key = jax.eval_shape(lambda: jax.random.key(0))
    for platform, dtype in [("cuda", "float32"), ("tpu", "float64")]:
        check(
            lowered(
                lambda key, *p: getattr(random, name)(key, *p, shape=SHAPE, dtype=dtype),  # noqa: B023
                [key, *shapes(SAMPLERS[name], dtype)],
                platform,
            ),
            draws=True,
        )


@pytest.mark.parametrize(
    "name", ["pearson_residuals", "deviance_residuals", "mid_quantile_residuals"]
)
def test_residuals_lower_without_our_cpu_code(name):
    def residuals(x, mu, theta):
        return getattr(jaxnb.NegativeBinomial(mu=mu, theta=theta), name)(x)

    check(lowered(residuals, shapes(3, "float32"), "cuda"))


def test_symbolic_batch_sizes():
    (rows,) = export.symbolic_shape("rows")
    for dtype in ("float32", "int32"):
        counts = jax.ShapeDtypeStruct((rows, 3), dtype)
        means, theta = (jax.ShapeDtypeStruct(s, "float32") for s in ((rows, 3), (3,)))
        for platform in ("cpu", "cuda", "tpu"):
            for function in (jaxnb.log_nb_positive, jaxnb.nb_log_cdf):
                exported = export.export(jax.jit(gradient(function, 3)), platforms=[platform])(
                    counts, means, theta
                )
                assert "rows" in str([a.shape for a in exported.out_avals])


def test_the_conditional_is_there_on_cpu():
    """Without it XLA fuses the sum into the kernel, and the kernel is no longer vectorized."""
    function = gradient(jaxnb.log_nb_positive, 3)
    compiled = jax.jit(function).lower(*map(jnp.float32, (X, MEANS, THETAS))).compile()
    assert compiled.as_text().count(" conditional(") >= 1


def test_unusual_arguments_reserve_little_memory_on_cpu():
    """Memory that is reserved but not used costs page faults in every call."""
    arguments = [jax.ShapeDtypeStruct(s, "float32") for s in ((512, 2000), (512, 2000), (2000,))]
    compiled = jax.jit(gradient(jaxnb.log_nb_positive, 3)).lower(*arguments).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 3 * 4 * 512 * 2000


def test_our_cpu_code_is_recognized():
    """The constants looked for above are there on CPU."""
    for dtype in ("float32", "float64"):
        program = lowered(gradient(jaxnb.log_nb_positive, 3), shapes(3, dtype), "cpu")
        assert sum(f"dense<{bits}>" in program for bits in _BITS_ON_CPU) == 2
        assert "optimization_barrier" in program
        assert "bitcast_convert" in program
        assert data_dependent_conditionals(program)
