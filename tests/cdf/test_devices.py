"""Distribution functions and quantiles spread over devices, and exported for any number of rows."""

import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
import scipy.stats
from jax import export
from jax.sharding import PartitionSpec as P

from jaxnb import cdf

TESTS = pathlib.Path(__file__).parents[1]

PROGRAM = """
import sys
import jax, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from jaxnb import cdf

shape = (8, 3)
rng = np.random.default_rng(0)
x = rng.poisson(2.0, shape).astype(np.float32)
q = rng.uniform(size=shape).astype(np.float32)
mu = rng.gamma(2.0, 2.0, (2, *shape)).astype(np.float32)
mu[0, 3, 1] = 1e-33  # no ordinary one
theta, odds = np.float32([0.7, 3.0, 20.0]), rng.normal(size=shape).astype(np.float32)
PARAMETERS = {
    "nb": [mu[0], theta],
    "zinb": [mu[0], theta, odds],
    "mixture_nb": [*mu, theta, theta[::-1].copy(), odds],
    "zero_truncated_nb": [mu[0], theta],
    "hurdle_nb": [mu[0], theta, odds],
}

def everything(x, q, parameters):
    # the quantile, both tails and the gradient of the sum of one
    results = {}
    for name, given in parameters.items():
        log_cdf, log_sf, quantile = (
            getattr(cdf, f"{name}_{which}") for which in ("log_cdf", "log_sf", "quantile")
        )
        values, pullback = jax.vjp(lambda *p: log_cdf(x, *p), *given)
        gradient = pullback(jax.numpy.ones_like(values))
        results[name] = [quantile(q, *given), log_sf(x, *given), values, gradient]
    return results

def check(got, expected):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), got, expected
    )

def mesh(kind):
    return jax.make_mesh((4,), ("cells",), axis_types=(kind,))

whole = sys.argv[1] == "whole"
arguments = x, q, {name: PARAMETERS[name] for name in sys.argv[2:]}
specs = jax.tree.map(lambda a: P("cells") if a.ndim == 2 else P(), arguments)
spread = jax.tree.map(
    lambda a: P("cells") if a.ndim == 2 else P(), jax.eval_shape(everything, *arguments)
)
mapped = jax.shard_map(everything, mesh=mesh(AxisType.Auto), in_specs=specs, out_specs=spread)
expected = jax.jit(everything)(*arguments)
check(jax.jit(mapped)(*arguments), expected)

explicit = mesh(AxisType.Explicit)
with jax.set_mesh(explicit):
    placed = jax.tree.map(
        lambda a, spec: jax.device_put(a, NamedSharding(explicit, spec)), arguments, specs
    )
    program = jax.jit(everything).trace(*placed)
    if whole:
        check(program.lower().compile()(*placed), expected)
"""


@pytest.mark.quick
def test_shard_map_on_one_device_with_its_checks():
    mesh = jax.make_mesh((1,), ("cells",), axis_types=(jax.sharding.AxisType.Auto,))
    mapped = jax.shard_map(
        cdf.nb_quantile, mesh=mesh, in_specs=(P("cells"), P(), P()), out_specs=P("cells")
    )
    q = np.float32([0.1, 0.5, 0.9])
    got = jax.jit(mapped)(q, np.float32(3), np.float32(2))
    np.testing.assert_array_equal(got, scipy.stats.nbinom.ppf(q, 2, 2 / 5))


NAMES = ["nb", "zinb", "mixture_nb", "zero_truncated_nb", "hurdle_nb"]


@pytest.mark.slow
@pytest.mark.parametrize("words", [["traced", "nb"], ["whole", *NAMES]], ids=["one", "all"])
def test_spread_over_devices_they_are_as_on_one(words):
    """`shard_map` with its checks, and explicit sharding, whose checks are those of a trace."""
    # the speed of the program is no matter, that of compiling it is
    flags = "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", PROGRAM, *words], check=True, env=environment)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_exports_with_any_number_of_rows(name):
    parameters = {"nb": 2, "zinb": 3, "mixture_nb": 5, "zero_truncated_nb": 2, "hurdle_nb": 3}
    number = parameters[name]
    rows = jax.ShapeDtypeStruct(export.symbolic_shape("rows, 4"), np.float32)
    quantile = jax.jit(getattr(cdf, f"{name}_quantile"))
    exported = export.export(quantile)(*[rows] * (number + 1))
    arguments = np.random.default_rng(0).uniform(0.1, 0.9, (number + 1, 3, 4)).astype(np.float32)
    got = exported.call(*arguments)
    np.testing.assert_array_equal(got, quantile(*arguments))
