"""The classes on tensors: torch's contract, and what scvi-tools and STEP ask of them."""

import copy
import inspect
import pickle

import jax
import numpy as np
import pytest
from nightly import nightly_but
from torch_bridge.cases import CASES, CLASSES, all_classes, torch
from torch_bridge.classes import FORMS, HURDLE, MU, NB, PI, THETA, TRUNCATED, made

import jaxnb
from jaxnb.torch_bridge import counts as base

X = torch.tensor([0, 3])
one_class = pytest.mark.parametrize("name", nightly_but(["negative_binomial"], CLASSES))


def values(d, x):
    """What a class, of tensors or of arrays, computes by itself; the next test has `log_prob`."""
    return d.mean, d.variance, d.mode, d.pearson_residuals(x)


@pytest.mark.quick
@one_class
def test_agrees_with_the_class_on_arrays(name):
    kind, parameters = CLASSES[name]

    @jax.jit
    def on_arrays(given, x):
        # not validated: a truncated one would warn of zeros
        return values(getattr(jaxnb, kind.__name__)(**given, validate_args=False), x)

    expected = on_arrays({n: p.numpy() for n, p in parameters.items()}, X.numpy())
    for ours, theirs in zip(values(made(name), X), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("form", nightly_but(list(FORMS)[::4], FORMS))
def test_every_form_of_the_parameters_is_the_same_distribution(form):
    kind, _ = FORMS[form]
    plain = {"mu": MU, "theta": THETA, "zi_logits": PI}
    keywords = {n: p for n, p in plain.items() if n in inspect.signature(kind).parameters}
    d, expected = made(form), kind(**keywords)
    for name in (*keywords, "log_mu", "log_theta", "probs", "logits", "total_count"):
        torch.testing.assert_close(getattr(d, name), getattr(expected, name), rtol=2e-6, atol=1e-6)
    torch.testing.assert_close(d.log_prob(X), expected.log_prob(X), rtol=2e-6, atol=2e-6)


def test_the_limit_of_infinite_theta_is_poisson():
    d, poisson = NB(mu=MU, theta=torch.inf), torch.distributions.Poisson(MU)
    torch.testing.assert_close(d.log_prob(X), poisson.log_prob(X), rtol=1e-6, atol=1e-6)
    assert torch.equal(d.variance, d.mean)


@pytest.mark.quick
@all_classes
def test_every_class_hands_its_parameters_and_the_floor_to_its_function(name, monkeypatch):
    """`test_values.py` compares that function with the one on arrays."""
    kind, parameters = CLASSES[name]
    case = next(case for case in CASES if repr(case) == name)
    assert kind._function is case.function
    handed = []

    def function(x, **given):
        handed.append((x, given))
        return torch.zeros(())

    monkeypatch.setattr(kind, "_function", staticmethod(function))
    d = kind(**parameters, eps=1e-3)
    for other in (d, d.expand((20, 3, 2)), copy.deepcopy(d)):
        assert other.log_prob(X) == 0
        ((x, given),) = handed
        handed.clear()
        assert x is X
        assert given.pop("eps") == 1e-3
        assert list(given) == [p.name for p in case.parameters]
        for parameter in case.parameters:
            found, expected = given[parameter.name], parameters[parameter.attribute]
            assert torch.equal(found, expected.expand(found.shape))


# All draws of these tests but the many of one are 24 at a time, so that they share a program.
@one_class
def test_shapes(name):
    d = made(name)
    assert d.sample((2, 2)).shape == (2, 2, 3, 2)
    assert d.expand((4, 3, 2)).log_prob(torch.tensor(1.0)).shape == (4, 3, 2)
    assert d.expand((4, 3, 2)).sample(None).shape == (4, 3, 2)
    independent = torch.distributions.Independent(d, 1)
    assert independent.log_prob(torch.zeros(3, 2)).shape == (3,)


@all_classes
def test_every_class_hands_its_parameters_to_the_sampler_of_its_distribution(name, monkeypatch):
    kind, given = CLASSES[name]
    handed = []

    def draw(sampler, shape, *parameters, generator):
        handed.append((sampler, shape, parameters, generator))
        return torch.zeros(shape)

    monkeypatch.setattr(base, "draw", draw)
    generator = torch.Generator()
    made(name).sample((4,), generator=generator)
    ((sampler, shape, parameters, passed),) = handed
    assert (sampler, shape, passed) == (kind._family.name, (4, 3, 2), generator)
    with_default = {"theta2": given["theta1"]} | given if "theta1" in given else given
    for parameter, found in zip(kind._family.parameters, parameters, strict=True):
        assert torch.equal(found, with_default[parameter.attribute].expand(found.shape))


@one_class
def test_draws(name):
    """Their shape, moments and dtype; the same for the same seed, from whichever generator."""
    d, size = made(name), (40_000,)
    assert (d.batch_shape, d.event_shape, d.has_rsample) == ((3, 2), (), False)
    assert "torch.Size([3, 2])" in repr(d)
    torch.manual_seed(1)
    draws = d.sample(size)
    assert (draws.dtype, draws.shape) == (torch.float32, (40_000, 3, 2))
    assert not draws.is_inference()
    assert not draws.requires_grad
    assert not torch.equal(d.rsample(size), draws)
    torch.manual_seed(1)
    assert torch.equal(d.sample(size), draws)
    state = torch.get_rng_state()
    drawn = [d.sample(size, generator=torch.Generator().manual_seed(5)) for _ in range(2)]
    assert torch.equal(*drawn)
    assert torch.equal(torch.get_rng_state(), state)
    draws = draws.double()
    error = torch.sqrt(d.variance.double() / len(draws))
    assert ((draws.mean(0) - d.mean).abs() < 4 * error).all()
    fourth = (draws - d.mean).pow(4).mean(0)
    spread = torch.sqrt((fourth - d.variance.double() ** 2) / len(draws))
    assert ((draws.var(0) - d.variance).abs() < 4 * spread).all()


@one_class
def test_draws_can_be_scored(name):
    kind, parameters = CLASSES[name]
    first = next(iter(parameters))
    leaf = parameters[first].clone().requires_grad_()
    d = kind(**(parameters | {first: leaf}))
    d = d.expand((4, 3, 2))
    (-d.log_prob(d.sample())).sum().backward()  # scvi-tools' draws raise here
    assert torch.isfinite(leaf.grad).all()


@pytest.mark.parametrize("name", CLASSES | FORMS)
def test_can_be_rebuilt_from_its_constraints(name):
    """As scvi-tools does to take rows, to concatenate and to move a distribution."""
    d = made(name)
    keywords = inspect.signature(type(d)).parameters
    assert set(d.arg_constraints) <= set(keywords)
    rows = {n: torch.index_select(getattr(d, n), 0, torch.tensor([2])) for n in d.arg_constraints}
    part = type(d)(**rows)
    assert part.batch_shape == (1, 2)
    assert part.arg_constraints.keys() == d.arg_constraints.keys()
    assert all(torch.equal(getattr(part, n), getattr(d, n)[2:]) for n in d.arg_constraints)


@all_classes
def test_copies(name):
    d = made(name)
    for other in (copy.deepcopy(d), pickle.loads(pickle.dumps(d))):
        assert torch.equal(other.log_prob(X), d.log_prob(X))
        assert other.expand((20, 3, 2)).batch_shape == (20, 3, 2)


@one_class
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_dtypes(name, dtype):
    kind, parameters = CLASSES[name]
    d = kind(**{n: p.to(dtype) for n, p in parameters.items()})
    assert d.log_prob(torch.tensor(3)).dtype == dtype
    assert d.sample((4,)).dtype == dtype
    assert d.mean.dtype == dtype


@all_classes
def test_values_outside_the_support(name):
    x = torch.tensor([-1.0, 2.5])
    with pytest.warns(UserWarning, match="must be within the support"):
        log_prob = made(name, validate_args=True).log_prob(x)
    assert (log_prob == -torch.inf).all()
    silent = made(name).log_prob(x)
    assert (silent[:, 0] == -torch.inf).all()
    # the truncated distributions have no extension to real values
    assert torch.isfinite(silent[:, 1]).all() == (type(made(name)) not in (TRUNCATED, HURDLE))


@pytest.mark.parametrize("wrong", [-1.0, torch.nan])
@all_classes
def test_samples_of_invalid_parameters_are_refused(name, wrong):
    """Whether or not the distribution validates its arguments; scvi-tools' raise too."""
    kind, parameters = CLASSES[name]
    for changed, value in parameters.items():
        if not changed.endswith("logits") or wrong != wrong:
            invalid = value.expand(3, 2).clone()
            invalid[0, 1] = wrong
            message = rf"cannot be sampled: {changed} must .*1 of 6 values .* such as {wrong}"
            with pytest.raises(ValueError, match=message):
                kind(**parameters | {changed: invalid}).sample()


@all_classes
def test_a_saved_distribution_loads_with_weights_only(name, tmp_path):
    d = made(name, validate_args=True)
    torch.save(d, tmp_path / "d.pt")
    with pytest.raises(pickle.UnpicklingError, match=type(d).__name__):
        torch.load(tmp_path / "d.pt", weights_only=True)
    with torch.serialization.safe_globals([type(d)]):
        loaded = torch.load(tmp_path / "d.pt", weights_only=True)
    assert repr(loaded) == repr(d)
    assert all(torch.equal(getattr(loaded, n), getattr(d, n)) for n in d.arg_constraints)
    with pytest.warns(UserWarning, match="within the support"):
        loaded.log_prob(-X - 1)


def test_the_mean_can_be_assigned():
    d = NB(mu=MU, theta=THETA)
    d.mu = torch.ones(4, 3, 2)
    assert d.batch_shape == (4, 3, 2)
    assert d.sample().shape == (4, 3, 2)
    assert torch.equal(d.mean, torch.ones(4, 3, 2))
