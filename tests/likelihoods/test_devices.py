"""Arrays of an ordinary size spread over four devices, in every way that JAX has for it.

At this size unusual arguments go by blocks of columns.
"""

import os
import pathlib
import subprocess
import sys

PROGRAM = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from registry import DISTRIBUTIONS

cells, genes = 64, 4000
rng = np.random.default_rng(0)
x = rng.poisson(2.0, (cells, genes)).astype(np.float32)
x[3, 3] = 300  # with a mean that is no ordinary one
ARGUMENTS, SPECS = {}, {}
for name, case in DISTRIBUTIONS.items():
    parameters = [
        a[0] if "theta" in p.name else a
        for p, a in zip(case.family.parameters, case.arrays((cells, genes)), strict=True)
    ]
    parameters[0][3, 3] = 1e-33
    counts = np.maximum(x, 1) if name.startswith("zero_truncated") else x
    ARGUMENTS[name] = [counts, *parameters]
    SPECS[name] = [P("cells") if a.ndim == 2 else P() for a in ARGUMENTS[name]]

def everything(arguments):
    # value, gradient and Hessian x vector of each distribution
    results = {}
    for name, (x, *parameters) in arguments.items():
        def total(*parameters):
            return DISTRIBUTIONS[name].log_prob(x, *parameters).sum()
        gradient = jax.grad(total, tuple(range(len(parameters))))
        value = DISTRIBUTIONS[name].log_prob(x, *parameters)
        results[name] = [value, *jax.jvp(gradient, parameters, parameters)]
    return results

def check(got):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), got, plain)

def mesh(kind):
    return jax.make_mesh((4,), ("cells",), axis_types=(kind,))

plain = jax.jit(everything)(ARGUMENTS)
assert all(np.isfinite(a).all() for a in jax.tree.leaves(plain))

spread = jax.tree.map(lambda a: P("cells") if a.ndim == 2 else P(), plain)
mapped = jax.shard_map(
    everything, mesh=mesh(AxisType.Auto), in_specs=(SPECS,), out_specs=spread
)
check(jax.jit(mapped)(ARGUMENTS))

explicit = mesh(AxisType.Explicit)
with jax.set_mesh(explicit):
    placed = {
        name: [
            jax.device_put(a, NamedSharding(explicit, spec))
            for a, spec in zip(arguments, SPECS[name], strict=True)
        ]
        for name, arguments in ARGUMENTS.items()
    }
    check(jax.jit(everything)(placed))
"""

TESTS = pathlib.Path(__file__).parents[1]


def test_spread_over_devices_all_distributions_are_as_on_one():
    """`shard_map` with its checks, and explicit sharding."""
    # the speed of the program is no matter, that of compiling it is
    flags = "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, env=environment)
