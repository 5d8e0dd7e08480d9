"""Arrays of an ordinary size spread over four devices, in every way that JAX has for it.

At this size unusual arguments go by blocks of columns.
"""

import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P
from registry import DISTRIBUTIONS

import jaxnb

PROGRAM = """
import sys
import jax, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from registry import DISTRIBUTIONS

whole = sys.argv[1] == "whole"
cells, genes = 64, 4000
rng = np.random.default_rng(0)
x = rng.poisson(2.0, (cells, genes)).astype(np.float32)
x[3, 3] = 300  # with a mean that is no ordinary one
ARGUMENTS, SPECS = {}, {}
for name in sys.argv[2:]:
    case = DISTRIBUTIONS[name]
    parameters = [
        a[0] if "theta" in p.name else a
        for p, a in zip(case.family.parameters, case.arrays((cells, genes)), strict=True)
    ]
    parameters[0][3, 3] = 1e-33
    counts = np.maximum(x, 1) if name.startswith("zero_truncated") else x
    ARGUMENTS[name] = [counts, *parameters]
    SPECS[name] = [P("cells") if a.ndim == 2 else P() for a in ARGUMENTS[name]]

def everything(arguments):
    # the values and the gradient of their sum, with tangents: Hessian x vector
    results = {}
    for name, (x, *parameters) in arguments.items():
        def both(*parameters):
            values, pullback = jax.vjp(lambda *p: DISTRIBUTIONS[name].log_prob(x, *p), *parameters)
            return values, pullback(jax.numpy.ones_like(values))
        results[name] = jax.jvp(both, parameters, parameters)
    return results

def check(got, expected):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), got, expected)

def mesh(kind):
    return jax.make_mesh((4,), ("cells",), axis_types=(kind,))

shapes = jax.eval_shape(everything, ARGUMENTS)
spread = jax.tree.map(lambda a: P("cells") if a.ndim == 2 else P(), shapes)
mapped = jax.jit(
    jax.shard_map(everything, mesh=mesh(AxisType.Auto), in_specs=(SPECS,), out_specs=spread)
)(ARGUMENTS)
assert all(np.isfinite(a).all() for a in jax.tree.leaves(mapped))
# a few genes alone, on one device
few = {name: [a[..., :8] for a in arguments] for name, arguments in ARGUMENTS.items()}
check(jax.tree.map(lambda a: a[..., :8], mapped), jax.jit(everything)(few))

explicit = mesh(AxisType.Explicit)
with jax.set_mesh(explicit):
    placed = {
        name: [
            jax.device_put(a, NamedSharding(explicit, spec))
            for a, spec in zip(arguments, SPECS[name], strict=True)
        ]
        for name, arguments in ARGUMENTS.items()
    }
    program = jax.jit(everything).trace(placed)
    if whole:
        check(program.lower().compile()(placed), mapped)
"""

TESTS = pathlib.Path(__file__).parents[1]


@pytest.mark.quick
def test_shard_map_on_one_device():
    """With its checks, and an unusual mean, at a size at which columns go by blocks."""
    mesh = jax.make_mesh((1,), ("cells",), axis_types=(jax.sharding.AxisType.Auto,))
    x = np.full((8, 5000), 2, np.float32)
    mu = np.full((8, 5000), 3, np.float32)
    mu[3, 3] = 1e-33
    specs = (P("cells"), P("cells"), P())
    mapped = jax.shard_map(jaxnb.log_nb_positive, mesh=mesh, in_specs=specs, out_specs=P("cells"))
    got = np.asarray(jax.jit(mapped)(x, mu, np.float32(1.5)))
    expected = jaxnb.log_nb_positive(x[0, 0], mu[3, 2:4], 1.5)
    np.testing.assert_allclose(got[3, 2:4], expected, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["traced", "negative_binomial"],
        ["whole", *DISTRIBUTIONS],
    ],
    ids=["one", "all"],
)
def test_spread_over_devices_distributions_are_as_on_one(words):
    """`shard_map` with its checks, and explicit sharding, whose checks are those of a trace."""
    # the speed of the program is no matter, that of compiling it is
    flags = "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", PROGRAM, *words], check=True, env=environment)
