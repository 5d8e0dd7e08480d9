"""What has been differentiated forwards can be differentiated backwards, of every public function.

A rule for derivatives may only multiply and add tangents: a rule that bounds them can be followed
forwards, and fails backwards. Tracing shows it, without a compiler.
"""

import jax
import jax.numpy as jnp
import pytest
from registry import DISTRIBUTIONS

from jaxnb import cdf

OF_PARAMETERS = ("mean", "variance", "entropy")
OF_COUNTS = ("log_prob", "log_cdf", "log_sf", "cdf", "sf", "deviance")


def functions():
    """Each with the number of its first arguments that are counts, and parameters."""
    for case in DISTRIBUTIONS.values():
        for counts, names in enumerate((OF_PARAMETERS, OF_COUNTS, ("log_interval",))):
            for name in names:
                if (function := getattr(case.family, name)) is not None:
                    marks = pytest.mark.quick if name == "deviance" else pytest.mark.slow
                    of = (function, counts, case.values)
                    yield pytest.param(*of, id=f"{case}-{name}", marks=marks)
    of = (cdf.nb_kl_divergence, 0, (1.5, 2.0, 1.2, 3.0))
    yield pytest.param(*of, id="nb_kl_divergence", marks=pytest.mark.slow)


@pytest.mark.parametrize(("function", "counts", "parameters"), [*functions()])
def test_a_directional_derivative_has_a_gradient(function, counts, parameters):
    def along(parameters):
        def of(parameters):
            return function(*(3.0 + k for k in range(counts)), *parameters)

        return jax.jvp(of, (parameters,), (parameters,))[1]

    jax.eval_shape(jax.grad(along), tuple(map(jnp.float32, parameters)))
