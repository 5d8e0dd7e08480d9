"""The drop-ins inside scvi-tools 1.4.2: what its own tests ask of them, and its models.

Needs an environment of its own, which `tests/torch_bridge/with_scvi.sh` makes.
"""

import importlib
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from jaxnb import torch_bridge  # noqa: E402
from jaxnb.torch_bridge import patch_scvi  # noqa: E402

pytestmark = [
    pytest.mark.scvi,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("error:::jaxnb"),
]

FUNCTIONS = ("log_nb_positive", "log_zinb_positive", "log_mixture_nb")
CLASSES = ("NegativeBinomial", "ZeroInflatedNegativeBinomial", "NegativeBinomialMixture")
HOLDERS = (
    "scvi.distributions",
    "scvi.distributions._negative_binomial",
    "scvi.external.contrastivevi._module",
    "scvi.external.gimvi._module",
    "scvi.module._autozivae",
    "scvi.module._mrdeconv",
    "scvi.module._multivae",
    "scvi.module._totalvae",
)


@pytest.fixture(scope="module")
def originals():
    """Name -> scvi-tools' own function or class, with every module loaded that holds one."""
    for name in HOLDERS:
        importlib.import_module(name)
    source = sys.modules["scvi.distributions._negative_binomial"]
    return {name: getattr(source, name) for name in (*FUNCTIONS, *CLASSES)}


@pytest.fixture
def patched(originals):
    with patch_scvi():
        yield importlib.import_module("scvi.distributions")


def scvi_modules():
    return {n: m for n, m in sys.modules.items() if n.split(".")[0] == "scvi" and m is not None}


def contents(modules):
    """Every name in every module, with the identity of its value."""
    return {(m, n): id(v) for m, module in modules.items() for n, v in vars(module).items()}


def held(originals):
    """Module -> the names in it that still refer to one of the originals."""
    identities = {id(value) for value in originals.values()}
    found = {}
    for module, name in [key for key, i in contents(scvi_modules()).items() if i in identities]:
        found.setdefault(module, set()).add(name)
    return found


# --- the switch ---


def test_every_module_is_patched_and_restored(originals):
    assert set(HOLDERS) <= set(held(originals))
    before = contents(scvi_modules())
    patch = patch_scvi()
    try:
        assert held(originals) == {}
        for name in CLASSES:
            assert sys.modules["scvi.distributions"].__dict__[name] is getattr(torch_bridge, name)
    finally:
        patch.undo()
    after = contents(scvi_modules())
    assert {key: after[key] for key in before} == before


def test_a_module_imported_while_patched_is_restored_too(originals, monkeypatch):
    source = sys.modules["scvi.external.contrastivevi._module"].__file__
    spec = importlib.util.spec_from_file_location("scvi.imported_later", source)
    later = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "scvi.imported_later", later)
    with patch_scvi():
        spec.loader.exec_module(later)
        ours = later.ZeroInflatedNegativeBinomial
        assert ours is torch_bridge.ZeroInflatedNegativeBinomial
    assert later.ZeroInflatedNegativeBinomial is originals["ZeroInflatedNegativeBinomial"]


def test_nested_patches_end_with_the_outer_one(originals):
    with patch_scvi():
        with patch_scvi():
            assert held(originals) == {}
        assert held(originals) == {}
        patch_scvi().undo()
        assert held(originals) == {}
    assert set(HOLDERS) <= set(held(originals))


def test_undoing_twice_is_undoing_once(originals):
    patch = patch_scvi()
    patch.undo()
    with patch_scvi():
        patch.undo()
        assert held(originals) == {}


def test_an_exception_ends_the_patch(originals):
    with pytest.raises(KeyError), patch_scvi():
        raise KeyError
    assert set(HOLDERS) <= set(held(originals))


def test_the_jax_class_keeps_its_function(originals):
    source = sys.modules["scvi.distributions._negative_binomial"]
    x = np.array([0.0, 1.0, 7.0])
    distribution = source.JaxNegativeBinomialMeanDisp(
        np.array([2.0, 3.0, 5.0]), np.array([1.0, 0.5, 9.0])
    )
    expected = distribution.log_prob(x)
    with patch_scvi():
        assert source.JaxNegativeBinomialMeanDisp is type(distribution)
        np.testing.assert_array_equal(distribution.log_prob(x), expected)


# --- what scvi-tools' own tests ask of the classes ---


PARAMETERS = {
    "NegativeBinomial": ("mu", "theta"),
    "ZeroInflatedNegativeBinomial": ("mu", "theta", "zi_logits"),
    "NegativeBinomialMixture": ("mu1", "mu2", "theta1", "mixture_logits"),
}


def parameters(*size):
    torch.manual_seed(0)
    mu = 15 * torch.ones(size)
    theta = 100 + torch.rand(size)
    return {"mu": mu, "theta": theta}, torch.randn(size), torch.randint(0, 20, size).float()


def made(scvi_distributions, name, *size, **options):
    """A distribution of scvi-tools' namespace, and counts."""
    common, logits, x = parameters(*size)
    mu, theta = common["mu"], common["theta"]
    every = common | {"zi_logits": logits, "mixture_logits": logits}
    every |= {"mu1": mu, "mu2": 2 * mu, "theta1": theta}
    arguments = {parameter: every[parameter] for parameter in PARAMETERS[name]}
    return getattr(scvi_distributions, name)(**arguments, **options), x


@pytest.mark.parametrize("name", CLASSES)
def test_log_prob_is_the_originals_in_float64(originals, name):
    scvi_distributions = sys.modules["scvi.distributions"]
    original, x = made(scvi_distributions, name, 50, 3)
    exact = {n: getattr(original, n).double() for n in PARAMETERS[name]}
    expected = originals[name](**exact).log_prob(x.double()).float()
    with patch_scvi():
        distribution, _ = made(scvi_distributions, name, 50, 3)
        assert type(distribution) is getattr(torch_bridge, name)
        torch.testing.assert_close(
            distribution.log_prob(x), expected, rtol=3 * 2**-23, atol=3 * 2**-23
        )


def test_log_prob_is_the_function(patched):
    functions = sys.modules["scvi.distributions._negative_binomial"]
    common, logits, x = parameters(2)
    nb = patched.NegativeBinomial(**common)
    zinb = patched.ZeroInflatedNegativeBinomial(**common, zi_logits=logits)
    assert torch.equal(nb.log_prob(x), functions.log_nb_positive(x, **common))
    assert torch.equal(zinb.log_prob(x), functions.log_zinb_positive(x, **common, pi=logits))


@pytest.mark.parametrize("name", CLASSES)
def test_samples(patched, name):
    distribution, _ = made(patched, name, 2)
    assert distribution.sample(sample_shape=(4, 3)).shape == (4, 3, 2)
    draws = distribution.sample((10000,))
    deviation = (draws.mean(0) - distribution.mean) / (distribution.variance / len(draws)).sqrt()
    assert deviation.abs().max() < 4
    assert not draws.is_inference()


@pytest.mark.parametrize("name", CLASSES)
def test_validation(patched, name):
    distribution, x = made(patched, name, 50, 3, validate_args=True)
    assert distribution.log_prob(x).isfinite().all()
    for impossible in (-x, 0.5 * x):
        with pytest.warns(UserWarning, match="value argument must be within the support"):
            distribution.log_prob(impossible)
    rebuilt = {n: getattr(distribution, n) for n in distribution.arg_constraints}
    mean = next(iter(rebuilt))
    with pytest.raises(ValueError, match=mean):
        type(distribution)(**rebuilt | {mean: -rebuilt[mean]}, validate_args=True)


@pytest.mark.parametrize("name", CLASSES)
def test_repr_has_every_parameter(patched, name):
    distribution, _ = made(patched, name, 50, 3)
    assert repr(distribution).startswith(name)
    assert all(f"{parameter}: " in repr(distribution) for parameter in distribution.arg_constraints)


# --- what scvi-tools does to a distribution ---


@pytest.mark.parametrize("name", CLASSES)
def test_subset(patched, name):
    utilities = importlib.import_module("scvi.distributions._utils")
    distribution, x = made(patched, name, 50, 3)
    rows = torch.tensor([4, 1, 7])
    subset = utilities.subset_distribution(distribution, rows)
    assert type(subset) is type(distribution)
    assert subset.batch_shape == (3, 3)
    assert torch.equal(subset.log_prob(x[rows]), distribution.log_prob(x)[rows])


@pytest.mark.parametrize(
    ("name", "scale"),
    [*((name, False) for name in CLASSES), *((name, True) for name in CLASSES[:2])],
)
def test_concatenation(patched, name, scale):
    utilities = importlib.import_module("scvi.distributions._utils")
    options = {"scale": torch.rand(5, 3)} if scale else {}
    distribution, x = made(patched, name, 5, 3, **options)
    concatenator = utilities.DistributionConcatenator()
    for _ in range(2):
        concatenator.store_distribution(distribution)
    both = concatenator.get_concatenated_distributions()
    assert torch.equal(both.log_prob(torch.cat([x, x])), torch.cat([distribution.log_prob(x)] * 2))
    if scale:
        assert torch.equal(both.get_normalized("scale"), torch.cat([options["scale"]] * 2))


@pytest.mark.parametrize("name", CLASSES[:2])
def test_a_mean_can_be_assigned(patched, name):
    distribution, x = made(patched, name, 5, 3)
    constructed = {n: getattr(distribution, n) for n in distribution.arg_constraints} | {
        "mu": 3 * distribution.mu
    }
    distribution.mu = 3 * distribution.mu
    assert torch.equal(distribution.log_prob(x), type(distribution)(**constructed).log_prob(x))
