"""What the parameters may be, and how NumPyro learns it."""

import copy
import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import pytest
from distributions.cases import CLASSES, MIX, MU, NB, ONE_OF_EACH, ZINB
from numpyro.distributions import biject_to

CONSTRAINTS = {
    f"{constructor.__name__}.{name}": constraint
    for constructor in CLASSES
    for name, constraint in constructor.arg_constraints.items()
}
MIXTURE = {"mu1": 1.0, "mu2": 2.0, "theta1": 1.0, "mixture_logits": 0.0}
INVALID = [
    (NB, {"mu": -1.0, "theta": 1.0}, "mu"),
    (NB, {"mu": 1.0, "theta": -1.0}, "theta"),
    (NB, {"mu": 1.0, "theta": np.nan}, "theta"),
    (NB, {"log_mu": np.nan, "theta": 1.0}, "log_mu"),
    (NB, {"mu": [1.0, -2.0], "log_theta": 1.0}, "mu"),
    (NB, {"total_count": -1.0, "logits": 1.5}, "total_count"),
    (NB, {"total_count": 1.0, "logits": np.nan}, "logits"),
    (NB, {"total_count": 1.0, "probs": 1.5}, "probs"),
    (ZINB, {"mu": 1.0, "theta": 1.0, "zi_probs": -0.1}, "zi_probs"),
    (ZINB, {"mu": 1.0, "theta": 1.0, "zi_logits": np.nan}, "zi_logits"),
    (MIX, MIXTURE | {"mu2": -2.0}, "mu2"),
    (MIX, MIXTURE | {"theta2": -2.0}, "theta2"),
]


@pytest.mark.quick
@pytest.mark.parametrize("constructor", CLASSES)
def test_every_parameter_has_a_constraint(constructor):
    parameters = set(inspect.signature(constructor).parameters)
    assert parameters - {"scale", "eps", "validate_args"} == set(constructor.arg_constraints)


def test_parameters_satisfy_their_constraints(case):
    distribution = case.made(validate_args=True)
    assert set(distribution.get_args()) == set(case.given)
    for name, value in distribution.get_args().items():
        assert np.all(distribution.arg_constraints[name](value)), name


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
    assert not constraint(jnp.nan)


def test_support_is_the_counts():
    np.testing.assert_array_equal(
        NB.support(np.array([-1.0, 0.0, 0.5, 3.0, 1e6])), [False, True, False, True, True]
    )


@pytest.mark.parametrize(("constructor", "given", "name"), INVALID)
def test_invalid_parameters_are_named(constructor, given, name):
    with pytest.raises(ValueError, match=f"{constructor.__name__} got an invalid {name}: 1 of"):
        constructor(**given, validate_args=True)
    constructor(**given, validate_args=False)


@pytest.mark.parametrize(("constructor", "given", "name"), INVALID)
def test_constants_are_validated_under_jit(constructor, given, name):
    arrays = {key: np.asarray(value) for key, value in given.items()}
    on_device = {key: jnp.asarray(value) for key, value in given.items()}
    for constants in (given, arrays, on_device):
        with pytest.raises(ValueError, match=f"invalid {name}"):
            jax.jit(lambda c=constants: constructor(**c, validate_args=True))()
        with pytest.raises(ValueError, match=f"invalid {name}"):
            jax.vmap(lambda _, c=constants: constructor(**c, validate_args=True).mean)(np.ones(2))


def test_infinite_log_odds_and_dispersion_are_allowed():
    for logit in (-np.inf, np.inf):
        ZINB(mu=MU, theta=np.inf, zi_logits=logit, validate_args=True)
        NB(log_mu=logit, log_theta=logit, validate_args=True)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_validation_lets_traced_parameters_pass(name):
    case = ONE_OF_EACH[name]

    def made(parameters):
        return case.constructor(**parameters, validate_args=True)

    def assert_equal(found, expected):
        np.testing.assert_array_equal(np.squeeze(found), np.squeeze(expected))

    jax.tree.map(assert_equal, jax.jit(made)(case.given).get_args(), case.made().get_args())
    stacked = {key: np.stack([value]) for key, value in case.given.items()}
    jax.tree.map(assert_equal, jax.vmap(made)(stacked).get_args(), case.made().get_args())


def test_strict_validation_refuses_traced_parameters():
    with pytest.raises(RuntimeError, match="mu is traced"):
        jax.jit(lambda mu: NB(mu=mu, theta=1.0).validate_args())(1.0)


def test_numpyros_own_switch_decides_on_validation():
    with numpyro.validation_enabled(True), pytest.raises(ValueError, match="mu"):
        NB(mu=-1.0, theta=1.0)
    with numpyro.validation_enabled(False):
        assert NB(mu=-1.0, theta=1.0).mu == -1


def test_draws_of_invalid_parameters_are_marked():
    """Which happens only unvalidated or traced; an invalid integer draw is -1."""
    parameters = {"mu": np.float32([1, -1, 1]), "theta": np.float32([-1, 1, 1])}
    draws = NB(**parameters, validate_args=False).sample(jax.random.key(0))
    np.testing.assert_array_equal(draws < 0, [True, True, False])
    np.testing.assert_array_equal(draws[:2], -1)


@pytest.mark.quick
def test_a_missing_parameter_passes_beside_numbers_and_alone_does_not():
    """So that a mask can leave it out; every other invalid value is still complained of."""
    for mu in ([2.0, np.nan], np.float32([2, np.nan]), jnp.array([2.0, jnp.nan])):
        assert np.isnan(NB(mu=mu, theta=1.0, validate_args=True).mean).sum() == 1
    for mu in (np.nan, [np.nan, np.nan]):
        with pytest.raises(ValueError, match="invalid mu"):
            NB(mu=mu, theta=1.0, validate_args=True)
    with pytest.raises(ValueError, match=r"invalid mu: 1 of 3 values, such as -1\.0"):
        NB(mu=[2.0, np.nan, -1.0], theta=1.0, validate_args=True)


@pytest.mark.slow
def test_a_mask_leaves_out_missing_parameters_and_counts():
    mask, counts = jnp.array([True, False]), jnp.array([3.0, jnp.nan])

    def of_array(scale):
        mu = jnp.array([2.0, jnp.nan]) * scale
        return NB(mu=mu, theta=1.0, validate_args=True).mask(mask).log_prob(counts).sum()

    def of_list(scale):
        masked = NB(mu=[2.0 * scale, jnp.nan], theta=1.0, validate_args=True).mask(mask)
        return masked.log_prob(counts).sum()

    alone = NB(mu=2.0, theta=1.0).log_prob(3.0)
    np.testing.assert_allclose(of_array(1.0), alone, rtol=1e-6)
    np.testing.assert_allclose(jax.grad(of_array)(jnp.ones(2))[0], 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(jax.grad(of_list)(1.0), 1 / 3, rtol=1e-6)
