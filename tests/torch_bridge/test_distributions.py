"""The classes on tensors: torch's contract, what scvi-tools and STEP ask, and their bugs."""

import copy
import inspect
import pickle

import numpy as np
import pytest
from torch_bridge.cases import bridge, torch

import jaxnb

MU = torch.tensor([[0.4, 3.0], [7.0, 20.0], [1.0, 5.0]])
THETA = torch.tensor([0.8, 4.0])
PI = torch.tensor(-0.7)
NB, ZINB = bridge.NegativeBinomial, bridge.ZeroInflatedNegativeBinomial
MIX = bridge.NegativeBinomialMixture
TRUNCATED, HURDLE = bridge.ZeroTruncatedNegativeBinomial, bridge.HurdleNegativeBinomial
MIXED = {"mu1": MU, "mu2": 2 * MU + 1, "theta1": THETA, "mixture_logits": PI}

# name -> class and parameters; the batch shape of each is (3, 2)
CASES = {
    "nb": (NB, {"mu": MU, "theta": THETA}),
    "nb-scale": (NB, {"mu": MU, "theta": THETA, "scale": MU / MU.sum(-1, keepdim=True)}),
    "nb-probs": (NB, {"total_count": THETA, "probs": MU / (MU + THETA)}),
    "nb-logits": (NB, {"total_count": THETA, "logits": torch.log(MU / THETA)}),
    "nb-poisson": (NB, {"mu": MU, "theta": torch.inf}),
    "zinb": (ZINB, {"mu": MU, "theta": THETA, "zi_logits": PI}),
    "zinb-probs": (
        ZINB,
        {"total_count": THETA, "probs": MU / (MU + THETA), "zi_probs": torch.sigmoid(PI)},
    ),
    "mixture": (MIX, MIXED),
    "mixture-theta2": (MIX, MIXED | {"theta2": torch.tensor(9.0)}),
    "truncated": (TRUNCATED, {"mu": MU, "theta": THETA}),
    "truncated-logits": (TRUNCATED, {"total_count": THETA, "logits": torch.log(MU / THETA)}),
    "hurdle": (HURDLE, {"mu": MU, "theta": THETA, "zi_logits": PI}),
    "hurdle-probs": (HURDLE, {"log_mu": MU.log(), "theta": THETA, "zi_probs": PI.sigmoid()}),
}
every = pytest.mark.parametrize("case", CASES)


def made(case, **options):
    kind, parameters = CASES[case]
    return kind(**parameters, **options)


def on_arrays(distribution):
    """The class of the same name on arrays, with the same parameters."""
    kind = getattr(jaxnb, type(distribution).__name__)
    names = [name.removeprefix("log_") for name in distribution.arg_constraints]
    parameters = {name: getattr(distribution, name).numpy() for name in names}
    return kind(**parameters, validate_args=False)  # without a warning of zeros if truncated


@every
def test_agrees_with_the_class_on_arrays(case):
    ours, expected = made(case), on_arrays(made(case))
    x = torch.tensor([0, 3])
    # (total_count, logits) are kept as log_mu and theta
    rounding = 1e-6 if "log_mu" in ours.arg_constraints else 0
    np.testing.assert_allclose(ours.log_prob(x), expected.log_prob(x.numpy()), rtol=rounding)
    for name in ("mean", "variance", "mode"):
        np.testing.assert_allclose(getattr(ours, name), getattr(expected, name), rtol=1e-6)
    residuals = expected.pearson_residuals(x.numpy())
    np.testing.assert_allclose(ours.pearson_residuals(x), residuals, rtol=1e-5, atol=1e-6)


@every
def test_shapes(case):
    d = made(case)
    assert d.batch_shape == (3, 2)
    assert d.event_shape == ()
    assert d.sample().shape == (3, 2)
    assert d.sample((4, 5)).shape == (4, 5, 3, 2)
    assert d.rsample().shape == (3, 2)
    assert d.sample(None).shape == (3, 2)
    assert d.expand((20, 3, 2)).log_prob(torch.tensor(1.0)).shape == (20, 3, 2)
    assert d.expand((20, 3, 2)).sample().shape == (20, 3, 2)
    independent = torch.distributions.Independent(d, 1)
    assert independent.log_prob(torch.zeros(3, 2)).shape == (3,)
    assert not d.has_rsample
    assert "torch.Size([3, 2])" in repr(d)


@every
def test_moments_of_draws(case):
    torch.manual_seed(1)
    d = made(case)
    draws = d.sample((40_000,)).double()
    error = torch.sqrt(d.variance.double() / len(draws))
    assert ((draws.mean(0) - d.mean).abs() < 4 * error).all()
    fourth = (draws - d.mean).pow(4).mean(0)
    spread = torch.sqrt((fourth - d.variance.double() ** 2) / len(draws))
    assert ((draws.var(0) - d.variance).abs() < 4 * spread).all()


@every
def test_seeds(case):
    d = made(case)
    torch.manual_seed(3)
    first, second = d.sample((20,)), d.sample((20,))
    torch.manual_seed(3)
    assert torch.equal(d.sample((20,)), first)
    assert not torch.equal(first, second)
    state = torch.get_rng_state()
    generators = [torch.Generator().manual_seed(5) for _ in range(2)]
    drawn = [d.sample((20,), generator=g) for g in generators]
    assert torch.equal(*drawn)
    assert torch.equal(torch.get_rng_state(), state)


@every
def test_draws_are_ordinary_tensors(case):
    kind, parameters = CASES[case]
    name = next(iter(parameters))
    leaf = parameters[name].clone().requires_grad_()
    d = kind(**(parameters | {name: leaf}))
    draws = d.sample((20,))
    assert draws.dtype == torch.float32
    assert not draws.is_inference()
    assert not draws.requires_grad
    (-d.log_prob(draws)).sum().backward()  # scvi-tools' draws raise here
    assert torch.isfinite(leaf.grad).all()


@every
def test_can_be_rebuilt_from_its_constraints(case):
    """As scvi-tools does to take rows, to concatenate and to move a distribution."""
    d = made(case)
    keywords = inspect.signature(type(d)).parameters
    assert set(d.arg_constraints) <= set(keywords)
    rows = {n: torch.index_select(getattr(d, n), 0, torch.tensor([2])) for n in d.arg_constraints}
    part = type(d)(**rows)
    assert torch.equal(part.log_prob(torch.ones(1, 2)), d.log_prob(torch.ones(3, 2))[2:])


@every
def test_copies(case):
    d = made(case)
    for other in (copy.deepcopy(d), pickle.loads(pickle.dumps(d))):
        assert torch.equal(other.log_prob(torch.ones(3, 2)), d.log_prob(torch.ones(3, 2)))
        assert other.expand((20, 3, 2)).batch_shape == (20, 3, 2)


@every
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_dtypes(case, dtype):
    kind, parameters = CASES[case]
    cast = {n: p.to(dtype) if isinstance(p, torch.Tensor) else p for n, p in parameters.items()}
    d = kind(**cast)
    assert d.log_prob(torch.tensor(3)).dtype == dtype
    assert d.sample().dtype == dtype
    assert d.mean.dtype == dtype


@every
def test_values_outside_the_support(case):
    values = torch.tensor([-1.0, 2.5])
    with pytest.warns(UserWarning, match="must be within the support"):
        log_prob = made(case, validate_args=True).log_prob(values)
    assert (log_prob == -torch.inf).all()
    silent = made(case).log_prob(values)
    assert (silent[:, 0] == -torch.inf).all()
    # the truncated distributions have no extension to real values
    assert torch.isfinite(silent[:, 1]).all() == (type(made(case)) not in (TRUNCATED, HURDLE))


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
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
def test_bad_parameters(kind, parameters, message):
    with pytest.raises(ValueError, match=message):
        kind(**parameters, validate_args=True)


def test_unvalidated_parameters_are_not_looked_at():
    assert NB(mu=-MU, theta=THETA).log_prob(torch.tensor(1.0)).isnan().all()


@pytest.mark.parametrize("wrong", [-1.0, torch.nan])
@pytest.mark.parametrize("case", ["nb", "zinb", "mixture", "mixture-theta2"])
def test_samples_of_invalid_parameters_are_refused(case, wrong):
    """Whether or not the distribution validates its arguments; scvi-tools' raise too."""
    kind, parameters = CASES[case]
    for name, value in parameters.items():
        if not name.endswith("logits") or wrong != wrong:
            invalid = value.expand(3, 2).clone()
            invalid[0, 1] = wrong
            message = rf"cannot be sampled: {name} must .*1 of 6 values .* such as {wrong}"
            with pytest.raises(ValueError, match=message):
                kind(**parameters | {name: invalid}).sample()


@every
def test_a_saved_distribution_loads_with_weights_only(case, tmp_path):
    d = made(case, validate_args=True)
    torch.save(d, tmp_path / "d.pt")
    with pytest.raises(pickle.UnpicklingError, match=type(d).__name__):
        torch.load(tmp_path / "d.pt", weights_only=True)
    with torch.serialization.safe_globals([type(d)]):
        loaded = torch.load(tmp_path / "d.pt", weights_only=True)
    assert repr(loaded) == repr(d)
    assert all(torch.equal(getattr(loaded, n), getattr(d, n)) for n in d.arg_constraints)
    with pytest.warns(UserWarning, match="within the support"):
        loaded.log_prob(-torch.ones(3, 2))


def test_the_mean_can_be_assigned():
    d = NB(mu=MU, theta=THETA)
    d.mu = torch.ones(4, 3, 2)
    assert d.batch_shape == (4, 3, 2)
    assert d.sample().shape == (4, 3, 2)
    assert torch.equal(d.mean, torch.ones(4, 3, 2))


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


def test_in_a_mixture_of_torchs_own():
    weights = torch.distributions.Categorical(torch.tensor([0.3, 0.7]))
    components = NB(mu=torch.tensor([1.0, 50.0]), theta=torch.tensor(2.0))
    mixture = torch.distributions.MixtureSameFamily(weights, components)
    ours = MIX(torch.tensor(1.0), torch.tensor(50.0), torch.tensor(2.0), torch.tensor(3 / 7).log())
    x = torch.arange(60.0)
    torch.testing.assert_close(mixture.log_prob(x), ours.log_prob(x))
    torch.testing.assert_close(mixture.variance, ours.variance)
    assert mixture.sample((7,)).shape == (7,)


class TestPeersBugs:
    """Inputs on which scvi-tools or STEP go wrong, with the right answer."""

    def test_success_probability_is_not_a_category(self):
        d = NB(total_count=torch.tensor(4.0), probs=torch.tensor(0.3))
        torch.testing.assert_close(d.mean, torch.tensor(4 * 0.3 / 0.7))
        torch_s = torch.distributions.NegativeBinomial(4.0, torch.tensor(0.3))
        x = torch.arange(9.0)
        torch.testing.assert_close(d.log_prob(x), torch_s.log_prob(x))

    def test_scale_given_with_total_count_is_kept(self):
        scale = torch.tensor([2.0, 2.0])
        d = NB(total_count=THETA, probs=torch.tensor([0.5, 0.2]), scale=scale)
        assert d.get_normalized("scale") is scale

    def test_zeros_are_inflated_once(self):
        torch.manual_seed(0)
        d = ZINB(mu=torch.tensor(1e4), theta=torch.tensor(1e3), zi_logits=torch.tensor(0.0))
        for draws in (d.sample((20_000,)), d.rsample((20_000,))):
            assert abs((draws == 0).float().mean() - 0.5) < 4 * 0.5 / 20_000**0.5

    def test_one_theta_per_gene_broadcasts_under_vmap(self):
        rows = torch.func.vmap(lambda mu: bridge.log_nb_positive(torch.ones(2), mu, THETA))(MU)
        assert rows.shape == (3, 2)

    @pytest.mark.parametrize("pi", [-torch.inf, torch.inf, 3.0])
    @pytest.mark.parametrize("mu", [0.0, 1e-30, 5.0, torch.inf])
    def test_no_nan_from_the_branch_not_taken(self, mu, pi):
        leaves = [torch.tensor(v, requires_grad=True) for v in (mu, 2.0, pi)]
        d = ZINB(mu=leaves[0], theta=leaves[1], zi_logits=leaves[2])
        value = d.log_prob(torch.tensor([0.0, 3.0]))
        value[value.isfinite()].sum().backward()
        assert not value.isnan().any()
        assert not any(leaf.grad.isnan() for leaf in leaves)

    def test_theta_zero_is_a_point_mass(self):
        d = NB(mu=torch.tensor(3.0), theta=torch.tensor(0.0))
        assert d.log_prob(torch.tensor([0.0, 1.0])).tolist() == [0.0, -torch.inf]
        assert (d.sample((5,)) == 0).all()
        assert d.mean == d.variance == d.mode == 0

    def test_small_means_are_not_biased(self):
        value = bridge.log_nb_positive(torch.tensor(1.0), torch.tensor(1e-9), 1.0, eps=0)
        torch.testing.assert_close(value, torch.tensor(-20.7232658379))

    def test_large_rates_are_drawn(self):
        torch.manual_seed(0)
        draws = NB(mu=torch.tensor(1e10), theta=torch.tensor(100.0)).sample((1000,))
        assert abs(draws.mean() - 1e10) < 4 * 1e9 / 1000**0.5

    def test_a_component_is_chosen_for_every_draw(self):
        torch.manual_seed(0)
        mu1, mu2, theta = torch.tensor(1.0), torch.tensor(1000.0), torch.tensor(2.0)
        d = MIX(mu1, mu2, theta, torch.tensor(0.0), theta2=torch.tensor([3.0]))
        draws = d.sample((10_000,))
        assert abs(draws.mean() - d.mean) < 4 * (d.variance / 10_000).sqrt()
        assert torch.equal(d.theta2, torch.tensor([3.0]))

    @pytest.mark.parametrize("theta2", [None, 2.0])
    @pytest.mark.parametrize("component", [1, 2])
    def test_eps_reaches_both_components(self, component, theta2):
        """A mean of 0 is the floor, whichever component has it; the other explains no count."""
        mu = torch.tensor([0.0, torch.inf] if component == 1 else [torch.inf, 0.0])
        eps, x = 1e-3, torch.tensor(1.0)
        value = bridge.log_mixture_nb(x, mu[0], mu[1], 2.0, theta2, 0.0, eps)
        expected = bridge.log_nb_positive(x, torch.tensor(eps), 2.0) - np.log(2)
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=0)
