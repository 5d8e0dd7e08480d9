"""What the classes on tensors refuse, and the other forms of what they were given."""

import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy import stats
from torch_bridge.cases import CASES, COUNTS, bridge, parameters, torch
from torch_bridge.classes import MIX, MU, NB, PI, THETA, ZINB

log_ratio = bridge.parameters.log_ratio

MIXED = {"mu1": MU, "mu2": 2 * MU + 1, "theta1": THETA, "mixture_logits": PI}


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (NB, {"mu": MU}, r"exactly one of \(mu, theta\) or .*; got mu"),
        (NB, {}, "got none of them"),
        (NB, {"mu": MU, "theta": THETA, "probs": PI}, "got probs, mu, theta"),
        (ZINB, {"mu": MU, "theta": THETA}, r"\(zi_logits\) or \(zi_probs\); got none"),
        (NB, {"mu": MU, "theta": torch.ones(5)}, r"mu \(3, 2\), theta \(5,\)"),
        (NB, {"mu": -MU, "theta": THETA}, "parameter mu"),
        (NB, {"mu": MU, "theta": THETA * torch.nan}, "parameter theta"),
        (NB, {"total_count": THETA, "probs": torch.tensor(1.5)}, "invalid probs: 1 of 1.* 1.5"),
        (ZINB, {"mu": MU, "theta": THETA, "zi_probs": PI}, "invalid zi_probs"),
        (MIX, MIXED | {"mu2": -MU}, "parameter mu2"),
    ],
)
def test_bad_parameters(kind, given, message):
    with pytest.raises(ValueError, match=message):
        kind(**given, validate_args=True)


def test_by_default_torch_says_whether_to_validate():
    """What is converted is complained of under the name that it was given by."""
    given = {"total_count": THETA, "probs": torch.tensor(1.5)}
    with pytest.raises(ValueError, match="invalid probs"):
        NB(**given, validate_args=None)
    default = torch.distributions.Distribution._validate_args
    torch.distributions.Distribution.set_default_validate_args(False)
    try:
        NB(**given, validate_args=None)
    finally:
        torch.distributions.Distribution.set_default_validate_args(default)


@pytest.mark.parametrize("validate", [False, True])
def test_a_count_may_be_a_number(validate):
    d = NB(mu=MU, theta=THETA, validate_args=validate)
    assert torch.equal(d.log_prob(3), d.log_prob(torch.tensor(3.0)))
    assert torch.equal(d.pearson_residuals(3), d.pearson_residuals(torch.tensor(3.0)))
    if validate:
        with pytest.warns(UserWarning, match="within the support"):
            assert (d.log_prob(-1) == -torch.inf).all()


def test_unvalidated_parameters_are_not_looked_at():
    assert NB(mu=-MU, theta=THETA).log_prob(torch.tensor(1.0)).isnan().all()


@pytest.mark.quick
def test_normalized_expression():
    scale = MU / MU.sum(-1, keepdim=True)
    d = NB(mu=MU, theta=THETA, scale=scale)
    assert d.get_normalized("scale") is scale
    assert torch.equal(d.get_normalized("mu"), MU)
    with pytest.raises(ValueError, match="key must be"):
        d.get_normalized("rate")
    assert torch.equal(MIX(**MIXED).get_normalized("mu"), MIX(**MIXED).mean)
    with pytest.raises(ValueError, match="the only key"):
        MIX(**MIXED).get_normalized("scale")


@pytest.mark.parametrize(
    "d",
    [
        NB(mu=MU, theta=THETA),
        NB(total_count=THETA, logits=torch.log(MU / THETA)),
        ZINB(total_count=THETA, probs=MU / (MU + THETA), zi_logits=PI),
    ],
    ids=["mu", "logits", "zinb-probs"],
)
def test_normalized_expression_without_a_scale(d):
    """As scvi-tools computes it for (total_count, logits): the shares of the last axis."""
    assert d.scale is None
    torch.testing.assert_close(d.get_normalized("scale"), MU / MU.sum(-1, keepdim=True))


def test_other_forms_of_the_parameters():
    d = NB(mu=MU, theta=THETA)
    assert torch.equal(d.total_count, THETA.expand(3, 2))
    torch.testing.assert_close(d.probs, MU / (MU + THETA))
    torch.testing.assert_close(d.logits, torch.log(MU) - torch.log(THETA))
    assert not d.on_mps
    torch.testing.assert_close(ZINB(mu=MU, theta=THETA, zi_probs=0.3).zi_probs[0, 0].item(), 0.3)


@pytest.mark.quick
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_logits_and_their_derivatives_are_right_at_every_magnitude(dtype):
    rng = np.random.default_rng(0)
    most = np.log10(torch.finfo(dtype).max) - 3
    a, b = 10 ** rng.uniform(-most, most, (2, 400))
    b[:100] = a[:100] * rng.uniform(0.2, 4, 100)
    a, b = (torch.tensor(values, dtype=dtype, requires_grad=True) for values in (a, b))
    value = log_ratio(a, b)
    first = torch.autograd.grad(value.sum(), (a, b), create_graph=True)
    with mpmath.workdps(40):
        pairs = zip(a.tolist(), b.tolist(), strict=True)
        exact = [float(mpmath.log(mpmath.mpf(x) / mpmath.mpf(y))) for x, y in pairs]
    eps = torch.finfo(dtype).eps
    np.testing.assert_allclose(value.detach(), exact, rtol=2 * eps)
    torch.testing.assert_close(first[0] * a, torch.ones_like(a), rtol=0, atol=4 * eps)
    torch.testing.assert_close(first[1] * b, -torch.ones_like(b), rtol=0, atol=4 * eps)
    moderate = torch.tensor([2e-10, 7.0], dtype=dtype), torch.tensor([3e10, 2.0], dtype=dtype)
    second = torch.func.vmap(torch.func.hessian(log_ratio, (0, 1)))(*moderate)
    torch.testing.assert_close(second[0][0], -(moderate[0] ** -2), rtol=8 * eps, atol=0)
    torch.testing.assert_close(second[1][1], moderate[1] ** -2, rtol=8 * eps, atol=0)


def test_in_a_mixture_of_torchs_own():
    weights = torch.distributions.Categorical(torch.tensor([0.3, 0.7]))
    components = NB(mu=torch.tensor([1.0, 50.0]), theta=torch.tensor(2.0))
    mixture = torch.distributions.MixtureSameFamily(weights, components)
    ours = MIX(torch.tensor(1.0), torch.tensor(50.0), torch.tensor(2.0), torch.tensor(3 / 7).log())
    x = torch.arange(60.0)
    of_each = stats.nbinom.pmf(x[:, None], 2, 2 / (2 + np.array([1.0, 50.0])))
    expected = np.log(of_each @ np.array([0.3, 0.7]))
    np.testing.assert_allclose(mixture.log_prob(x), expected, rtol=1.3e-6, atol=1e-5)
    torch.testing.assert_close(mixture.variance, ours.variance)
    assert mixture.sample((7,)).shape == (7,)


FAMILIES = {
    "nb": "negative_binomial",
    "zinb": "zero_inflated_negative_binomial",
    "mixture_nb": "negative_binomial_mixture",
    "zero_truncated_nb": "zero_truncated_negative_binomial",
    "hurdle_nb": "hurdle_negative_binomial",
}


@pytest.mark.parametrize("prefix", FAMILIES)
def test_regular_names_are_those_of_the_functions_on_arrays(prefix):
    (case,) = (case for case in CASES if case.arrays.name == FAMILIES[prefix])
    # the program of `test_values.py`, which is compiled for values and gradients
    values = parameters(case, torch.float32, requires_grad=True)
    x = case.counts(torch.float32)
    regular = getattr(bridge, f"{prefix}_log_prob")
    expected = case(x, *values)
    assert torch.equal(regular(x, *values), expected)
    for attribute in ("name", "attribute"):
        names = [getattr(parameter, attribute) for parameter in case.parameters]
        named = dict(zip(names, values, strict=True))
        assert torch.equal(regular(x, **named), expected)
        assert torch.equal(case.function(x, **named), expected)
        by_name = case.kind(**named)
        assert set(by_name.arg_constraints) == {p.attribute for p in case.parameters}


def test_poisson_log_probabilities():
    infinite = torch.tensor(torch.inf)
    expected = bridge.log_nb_positive(COUNTS, MU[0, 0], infinite)
    assert torch.equal(bridge.poisson_log_prob(COUNTS, MU[0, 0]), expected)
    expected = bridge.log_zinb_positive(COUNTS, MU[0, 0], infinite, PI)
    assert torch.equal(bridge.zip_log_prob(COUNTS, MU[0, 0], PI), expected)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("function", "name", "answer"),
    [
        (bridge.nb_log_prob, "mean", "pass mu=mean"),
        (bridge.log_nb_positive, "dispersion", "pass theta=1 / dispersion"),
        (bridge.log_zinb_positive, "gate", r"pass zi_logits=log\(gate\)"),
        (NB, "concentration", "pass theta=concentration"),
        (ZINB, "gate", "pass zi_probs=gate"),
        (MIX, "mixture_probs", "pass mixture_logits=log"),
        (MIX, "foo", "there are eps, log_mu1"),
    ],
)
def test_a_name_of_another_library_is_answered_with_ours(function, name, answer):
    with pytest.raises(TypeError, match=f"{function.__name__} has no parameter '{name}': {answer}"):
        function(MU, **{name: MU})


@pytest.mark.quick
@pytest.mark.parametrize("wrong", ["2", jnp.ones(2)])
def test_what_is_neither_a_tensor_nor_a_number_is_refused_by_name(wrong):
    with pytest.raises(TypeError, match="mu must be a tensor or a number"):
        bridge.nb_log_prob(COUNTS, wrong, THETA)
    with pytest.raises(TypeError, match="theta must be a tensor or a number"):
        NB(mu=MU, theta=wrong)


def test_large_integers_are_rounded_once():
    large = torch.tensor([2**33, 2**32, 2**40 + 2**20])
    mean = torch.tensor(1e9)
    expected = bridge.nb_log_prob(large.float(), mean, THETA[0])
    assert torch.equal(bridge.nb_log_prob(large, mean, THETA[0]), expected)
    assert torch.equal(bridge.nb_log_prob(2**33, mean, THETA[0]), expected[0])
    assert bridge.nb_log_prob(2**70, mean, THETA[0]).isfinite()
