"""Every parameterization of every class is the same distribution: all forms, as data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from distributions.cases import CASES, CLASSES, MIX, MU, NB, SHAPE, THETA, ZINB, recording

import jaxnb

HURDLE = jaxnb.HurdleNegativeBinomial


def on_linear_scale(case, arguments):
    """By attribute, what a function of the table was called with; None that of the default."""
    found = {}
    for parameter in case.constructor.family.parameters:
        name, log_name = parameter.name, parameter.log_name
        assert (name in arguments) != (log_name in arguments), "once, on one scale"
        logarithm = arguments.get(log_name)
        found[parameter.attribute] = arguments.get(name) if logarithm is None else np.exp(logarithm)
    assert len(found) == len(arguments)
    defaults = {p.attribute: p.default for p in case.constructor.family.parameters if p.default}
    attributes = {p.name: p.attribute for p in case.constructor.family.parameters}
    for attribute, default in defaults.items():
        if found[attribute] is None:
            found[attribute] = found[attributes[default]]
    return found


def assert_canonical(found, case):
    for attribute, expected in case.canonical.items():
        np.testing.assert_allclose(
            np.broadcast_to(found[attribute], SHAPE),
            np.broadcast_to(expected, SHAPE),
            rtol=2e-6,
            atol=2e-7,
            err_msg=attribute,
        )


@pytest.mark.quick
def test_functions_of_counts_get_the_parameters_of_the_table(case):
    recorder = case.recorder(validate_args=False, eps=0.25)
    x = np.float32(3)
    functions = {"log_prob": {"eps": 0.25}, "log_cdf": {}, "log_sf": {}, "cdf": {}, "icdf": {}}
    for name, options in functions.items():
        (value,), arguments = getattr(recorder, name)(x)
        assert value is x
        assert {key: arguments.pop(key) for key in options} == options
        assert_canonical(on_linear_scale(case, arguments), case)
        # A logarithm is handed on as it is, so that it may be out of the range of exp.
        for given in arguments.keys() & recorder.get_args().keys():
            assert arguments[given] is recorder.get_args()[given]
    _, arguments = recorder.entropy()
    assert_canonical(on_linear_scale(case, arguments), case)


def test_moments_and_draws_get_the_parameters_on_the_linear_scale(case):
    recorder = case.recorder()
    key = object()
    (passed, *drawn), options = recorder.sample(key, (5,))
    assert passed is key
    assert options == {"shape": (5, *SHAPE)}
    for parameters in (drawn, recorder.mean[0], recorder.variance[0], recorder.mode[0]):
        attributes = (p.attribute for p in case.constructor.family.parameters)
        assert_canonical(dict(zip(attributes, parameters, strict=True)), case)


def test_each_property_calls_its_own_function_of_the_table():
    nothing = dict.fromkeys(("log_cdf", "log_sf", "cdf", "quantile", "entropy"))
    functions = {name: f"the {name}" for name in (*nothing, "mean", "variance", "mode")}
    functions = {name: (lambda *a, _told=told, **k: _told) for name, told in functions.items()}
    recorder = recording(NB)
    recorder.family = NB.family.__class__(**(vars(NB.family) | functions))
    nb = recorder(mu=1.0, theta=2.0)
    assert (nb.mean, nb.variance, nb.mode) == ("the mean", "the variance", "the mode")
    assert (nb.cdf(1), nb.log_cdf(1)) == ("the cdf", "the log_cdf")
    assert (nb.log_sf(1), nb.icdf(0.5)) == ("the log_sf", "the quantile")
    assert nb.entropy() == "the entropy"


def forms(case):
    """Every attribute that a parameter can be read by, from the canonical parameters."""
    values = {name: np.float64(value) for name, value in case.canonical.items()}
    expected = {
        name: np.log(values[name.removeprefix("log_")]) if name not in values else values[name]
        for name in case.constructor.arg_constraints
        if name.removeprefix("log_") in values
    }
    if "mu" in values:
        mu, theta = values["mu"], values["theta"]
        expected |= {"total_count": theta, "probs": mu / (mu + theta), "logits": np.log(mu / theta)}
    if "zi_logits" in values:
        expected["zi_probs"] = 1 / (1 + np.exp(-values["zi_logits"]))
    assert expected.keys() == case.constructor.arg_constraints.keys()
    return expected


def test_every_form_can_be_read_from_every_other(case):
    """A property read under jit first, from tracers, must not be kept for later."""
    distribution = case.made()
    expected = forms(case)

    @jax.jit
    def read(one):
        return {name: getattr(distribution, name) * one for name in expected}

    with jax.checking_leaks(), jax.numpy_dtype_promotion("strict"):
        inside = read(1.0)
    for name, value in expected.items():
        for found in (inside[name], getattr(distribution, name)):
            np.testing.assert_allclose(
                np.broadcast_to(found, SHAPE),
                np.broadcast_to(value, SHAPE),
                rtol=3e-6,
                atol=1e-6,
                err_msg=name,
            )
    for name, value in case.given.items():
        np.testing.assert_array_equal(np.squeeze(getattr(distribution, name)), np.squeeze(value))
    assert set(distribution.get_args()) == set(case.given)


CONVERTED = [
    name for name, case in CASES.items() if {"probs", "logits", "zi_probs"} & {*case.given}
]
ONCE = [name for name in CONVERTED if CASES[name].constructor in (NB, ZINB)]


@pytest.mark.parametrize("name", CONVERTED)
def test_derivatives_of_the_forms_in_what_was_given(name):
    """Central differences of every component, in float64."""
    case = CASES[name]

    @jax.jit
    @jax.vmap
    def along(values, direction):
        def converted(values):
            made = recording(case.constructor)(**values, validate_args=False)
            _, arguments = made.log_prob(0.0)
            arguments.pop("eps")
            return arguments, {form: getattr(made, form) for form in made.arg_constraints}

        return jax.jvp(converted, (values,), (direction,))

    with jax.enable_x64(True):
        at = {key: np.broadcast_to(np.float64(value), SHAPE) for key, value in case.given.items()}
        directions = [
            {key: np.full(SHAPE, float(key == parameter)) for key in at} for parameter in at
        ]
        step = 1e-6
        points = [
            {key: at[key] + sign * step * direction[key] for key in at}
            for sign in (0, 1, -1)
            for direction in directions
        ]
        stacked, ways = (
            {key: np.stack([one[key] for one in many]) for key in at}
            for many in (points, 3 * directions)
        )
        values, derivatives = jax.tree.map(np.asarray, along(stacked, ways))

    def compare(value, derivative):
        _, up, down = np.split(value, 3)
        expected = (up - down) / (2 * step)
        np.testing.assert_allclose(np.split(derivative, 3)[0], expected, rtol=1e-6, atol=1e-7)

    jax.tree.map(compare, values, derivatives)


@pytest.mark.slow
def test_derivatives_of_the_log_probability_in_what_was_given():
    """Through all of the conversions at once."""
    case = CASES["HurdleNegativeBinomial(total_count, logits, zi_probs)"]
    x = np.array([0.0, 1.0, 9.0]).reshape(3, 1, 1)

    @jax.jit
    def along(values, direction):
        return jax.jvp(lambda v: HURDLE(**v).log_prob(x), (values,), (direction,))

    with jax.enable_x64(True):
        at = {key: np.broadcast_to(np.float64(value), SHAPE) for key, value in case.given.items()}
        for parameter in at:
            direction = {key: np.full(SHAPE, float(key == parameter)) for key in at}
            step = 1e-6 * np.maximum(1, np.abs(at[parameter]))
            _, derivative = along(at, direction)
            (up, _), (down, _) = (
                along(at | {parameter: at[parameter] + s}, direction) for s in (step, -step)
            )
            expected = (up - down) / (2 * step)
            np.testing.assert_allclose(derivative, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("constructor", CLASSES)
def test_integer_parameters_take_the_default_float(constructor):
    integers = {p.attribute: 2 for p in constructor.family.parameters}
    for x64, dtype in ((False, np.float32), (True, np.float64)):
        with jax.enable_x64(x64):
            made = constructor(**integers)
            assert {value.dtype for value in made.get_args().values()} == {np.dtype(dtype)}


def test_logits_of_close_parameters_keep_their_digits():
    mu = np.float32([3.0, 1e3, 7e6])
    theta = np.nextafter(mu, np.float32(np.inf))
    exact = -np.log1p((theta - mu).astype(float) / mu.astype(float))
    np.testing.assert_allclose(NB(mu=mu, theta=theta).logits, exact, rtol=1e-6)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"mu": 1.0},
        {"mu": 1.0, "probs": 0.3},
        {"mu": 1.0, "theta": 1.0, "probs": 0.3},
        {"mu": 1.0, "log_mu": 0.0, "theta": 1.0},
        {"mu": 1.0, "theta": 1.0, "log_theta": 0.0},
        {"log_mu": 1.0, "total_count": 1.0},
        {"total_count": 1.0, "probs": 0.3, "logits": 0.1},
    ],
)
def test_exactly_one_parameterization(given):
    for constructor in CLASSES:
        if "total_count" in constructor.arg_constraints:
            others = {"zi_logits": 0.0} if "zi_logits" in constructor.arg_constraints else {}
            with pytest.raises(ValueError, match=r"exactly one of \(mu, theta\) or"):
                constructor(**given, **others)


@pytest.mark.parametrize("constructor", [ZINB, HURDLE])
@pytest.mark.parametrize("given", [{}, {"zi_logits": 0.0, "zi_probs": 0.5}])
def test_exactly_one_form_of_the_zero_inflation(constructor, given):
    with pytest.raises(ValueError, match=r"exactly one of \(zi_logits\) or \(zi_probs\)"):
        constructor(mu=1.0, theta=1.0, **given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mu1": None}, r"exactly one of \(mu1\) or \(log_mu1\); got none of them"),
        ({"log_mu2": 0.0}, r"exactly one of \(mu2\) or \(log_mu2\); got mu2, log_mu2"),
        ({"mixture_logits": None}, r"exactly one of \(mixture_logits\); got none"),
        ({"theta2": 1.0, "log_theta2": 0.0}, r"at most one of \(theta2\) or \(log_theta2\)"),
    ],
)
def test_exactly_one_scale_of_every_parameter_of_a_mixture(given, message):
    with pytest.raises(ValueError, match=message):
        MIX(**{"mu1": 1.0, "mu2": 2.0, "theta1": 1.0, "mixture_logits": 0.0} | given)


@pytest.mark.parametrize("constructor", CLASSES)
def test_log_scales_are_keyword_only(constructor):
    positional = [None] * (len(constructor.arg_constraints) + 1)
    with pytest.raises(TypeError, match="positional"):
        constructor(*positional)


def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(ValueError, match=r"mu \(3,\), theta \(2,\)"):
        NB(mu=np.ones(3), theta=np.ones(2))
    with pytest.raises(TypeError, match="theta must be real"):
        NB(mu=1.0, theta=np.complex64(1), validate_args=False)


def test_residuals_and_normalized_expression():
    nb = NB(mu=MU, theta=THETA, scale=np.array([[2, 2]]))
    np.testing.assert_allclose(
        nb.pearson_residuals(4), (4 - MU) / np.sqrt(MU + MU**2 / THETA), rtol=1e-6
    )
    np.testing.assert_array_equal(nb.get_normalized("mu"), MU)
    np.testing.assert_array_equal(nb.get_normalized("scale"), [[2, 2]])
    with pytest.raises(ValueError, match="'mu' or 'scale'"):
        nb.get_normalized("rate")
    with pytest.raises(ValueError, match="scale"):
        NB(mu=1.0, theta=1.0).get_normalized("scale")
    assert nb.pearson_residuals(jnp.int32(4)).dtype == np.float32
    # of a point mass
    np.testing.assert_array_equal(
        NB(mu=0.0, theta=1.0).pearson_residuals(np.arange(2.0)), [0, np.inf]
    )
