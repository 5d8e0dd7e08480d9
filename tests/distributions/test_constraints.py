"""What the parameters may be, and how NumPyro learns it."""

import copy
import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import pytest
from distributions.cases import CASES, MIX, MU, NB, ONE_OF_EACH, THETA, ZINB
from numpyro.distributions import biject_to
from numpyro.infer import SVI, Trace_ELBO

CLASSES = [NB, ZINB, MIX]
CONSTRAINTS = {
    f"{constructor.__name__}.{name}": constraint
    for constructor in CLASSES
    for name, constraint in constructor.arg_constraints.items()
}


@pytest.mark.parametrize("constructor", CLASSES)
def test_every_parameter_has_a_constraint(constructor):
    parameters = set(inspect.signature(constructor).parameters)
    assert parameters - {"scale", "eps", "validate_args"} == set(constructor.arg_constraints)


def test_parameters_satisfy_their_constraints(law):
    assert law.get_args()
    for name, value in law.get_args().items():
        assert np.all(law.arg_constraints[name](value)), name


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraints_can_be_reached_and_copied(name):
    constraint = CONSTRAINTS[name]
    assert constraint(constraint.feasible_like(jnp.zeros(3))).all()
    transform = biject_to(constraint)
    free = jnp.array([-2.0, 0.0, 1.5])
    assert constraint(transform(free)).all()
    np.testing.assert_allclose(transform.inv(transform(free)), free, rtol=1e-5, atol=1e-6)
    for copied in (pickle.loads(pickle.dumps(constraint)), copy.deepcopy(constraint)):
        assert copied == constraint
    assert not constraint(np.nan)


def test_support_is_the_counts(law):
    np.testing.assert_array_equal(
        law.support(np.array([-1.0, 0.0, 0.5, 3.0, 1e6])), [False, True, False, True, True]
    )


def test_infinite_log_odds_and_dispersion_are_allowed():
    for logit in (-np.inf, np.inf):
        ZINB(mu=MU, theta=np.inf, zi_logits=logit, validate_args=True)
    with pytest.raises(ValueError, match="zi_logits"):
        ZINB(mu=MU, theta=THETA, zi_logits=np.nan, validate_args=True)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_validation_lets_traced_parameters_pass(name):
    constructor, parameters = CASES[name]

    def mean(parameters):
        return constructor(**parameters, validate_args=True).mean

    np.testing.assert_allclose(jax.jit(mean)(parameters), mean(parameters), rtol=1e-6)
    stacked = {key: np.stack([value]) for key, value in parameters.items()}
    np.testing.assert_allclose(jax.vmap(mean)(stacked)[0], mean(parameters), rtol=1e-6)


def test_numpyros_own_switch_decides_on_validation():
    with numpyro.validation_enabled(True), pytest.raises(ValueError, match="mu"):
        NB(mu=-1.0, theta=1.0)
    with numpyro.validation_enabled(False):
        NB(mu=-1.0, theta=1.0)


def test_parameters_learned_under_their_own_constraints():
    """Half of the cells are empty beside a mean of 50: so is half of the inflation."""
    counts = np.repeat([0, 50], 40)

    def model():
        parameters = {
            name: numpyro.param(name, start, constraint=ZINB.arg_constraints[name])
            for name, start in {"mu": 30.0, "theta": 5.0, "zi_logits": -2.0}.items()
        }
        with numpyro.plate("cells", len(counts)):
            numpyro.sample("x", ZINB(**parameters), obs=counts)

    svi = SVI(model, lambda: None, numpyro.optim.Adam(0.05), Trace_ELBO())
    found = svi.run(jax.random.key(0), 500, progress_bar=False).params
    np.testing.assert_allclose(found["mu"], 50, rtol=0.02)
    np.testing.assert_allclose(found["zi_logits"], 0, atol=0.1)
