"""Models of scvi-tools on the drop-ins: the same gradients, the same training, the same results.

Run by `tests/torch_bridge/with_scvi.sh`. A model's gradient is compared parameter by parameter,
before any optimizer: a training curve hardly moves when one parameter's gradient is 10 % wrong.
"""

import importlib
from contextlib import nullcontext

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from jaxnb.torch_bridge import patch_scvi  # noqa: E402

pytestmark = [
    pytest.mark.scvi,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.filterwarnings("error:::jaxnb"),
]

MODELS = [
    *(
        ("SCVI", likelihood, d)
        for likelihood in ("nb", "zinb")
        for d in ("gene", "gene-batch", "gene-cell")
    ),
    ("TOTALVI", "nb", "gene"),
    ("TOTALVI", "zinb", "gene-batch"),
]


@pytest.fixture(scope="module")
def scvi():
    return importlib.import_module("scvi")


@pytest.fixture(scope="module")
def cells(scvi):
    """256 cells in two batches, of 60 genes and 20 proteins; a third of the counts are 0."""
    scvi.settings.seed = 0
    adata = scvi.data.synthetic_iid(batch_size=128, n_genes=60, n_proteins=20)
    scvi.model.SCVI.setup_anndata(adata, batch_key="batch")
    scvi.model.TOTALVI.setup_anndata(
        adata, batch_key="batch", protein_expression_obsm_key="protein_expression"
    )
    return adata


def new_model(scvi, cells, kind, likelihood, dispersion):
    scvi.settings.seed = 0
    options = {"gene_likelihood": likelihood}
    options["dispersion" if kind == "SCVI" else "gene_dispersion"] = dispersion
    return getattr(scvi.model, kind)(cells, **options)


# --- raw gradients on one batch ---


def gradients(model, batch):
    """Of the loss of a fresh forward pass in training mode, by parameter."""
    torch.manual_seed(0)
    model.module.train()
    model.module.zero_grad()
    model.module(batch)[2].loss.backward()
    return {n: p.grad.clone() for n, p in model.module.named_parameters() if p.grad is not None}


def gradients_in_float64(model, batch):
    """The same with the original formula in float64, and without its eps.

    All else in the model stays float32, so that the noise drawn is the same.
    """

    def widened(function):
        def evaluate(*tensors, eps=None, lgamma_fn=None, **named):
            tensors = [None if t is None else t.double() for t in tensors]
            named = {name: t.double() for name, t in named.items()}
            return function(*tensors, **named, eps=1e-300).float()

        return evaluate

    source = "scvi.distributions._negative_binomial"
    module = importlib.import_module(source)
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in ("log_nb_positive", "log_zinb_positive", "log_mixture_nb"):
            monkeypatch.setattr(f"{source}.{name}", widened(getattr(module, name)))
        return gradients(model, batch)


def before_normalization(module):
    """Biases of layers followed by batch normalization, which removes any constant."""
    sequences = {n: m for n, m in module.named_modules() if isinstance(m, torch.nn.Sequential)}
    return {
        f"{parent}.{name}.bias"
        for parent, layers in sequences.items()
        for (name, _), following in zip(layers.named_children(), [*layers][1:], strict=False)
        if isinstance(following, torch.nn.BatchNorm1d)
    }


def worst_deviation(found, expected, left_out):
    """Over the parameters, of the largest deviation relative to the largest magnitude."""
    assert found.keys() == expected.keys()
    return max(
        float((found[name] - gradient).abs().max() / gradient.abs().max())
        for name, gradient in expected.items()
        if name not in left_out
    )


@pytest.mark.parametrize(("kind", "likelihood", "dispersion"), MODELS)
def test_raw_gradients_of_every_parameter(scvi, cells, kind, likelihood, dispersion):
    model = new_model(scvi, cells, kind, likelihood, dispersion)
    batch = next(iter(model._make_data_loader(cells, batch_size=128)))
    original = gradients(model, batch)
    with patch_scvi():
        ours = gradients(model, batch)
    exact = gradients_in_float64(model, batch)
    # Rounding is all that there is of a derivative that is 0.
    constant = before_normalization(model.module) & ours.keys()
    largest = max(float(g.abs().max()) for g in original.values())
    assert all(float(ours[name].abs().max()) < 1e-6 * largest for name in constant)
    assert worst_deviation(ours, original, constant) < 5e-6
    assert worst_deviation(ours, exact, constant) < 2e-6


# --- training ---


def made_smooth(module):
    """Replace ReLU, whose step at 0 tells apart what differs by a rounding.

    In TOTALVI some of the millions of activations fall on different sides of it in nearly every
    long enough training, and Adam makes a visible difference of that: the original in float64 then
    deviates from the original as much as ours does.
    """
    for name, child in module.named_children():
        if isinstance(child, torch.nn.ReLU):
            setattr(module, name, torch.nn.SiLU())
        else:
            made_smooth(child)


def trained(scvi, cells, kind, likelihood, dispersion, patch):
    with patch:
        model = new_model(scvi, cells, kind, likelihood, dispersion)
        if kind == "TOTALVI":
            made_smooth(model.module)
        model.train(15, accelerator="cpu", enable_progress_bar=False)
    return model


def traces(model):
    curves = {n: h.to_numpy(float).ravel() for n, h in model.history.items()}
    return {n: c for n, c in curves.items() if c.any()}


@pytest.mark.parametrize(("kind", "likelihood", "dispersion"), MODELS)
def test_training_traces(scvi, cells, kind, likelihood, dispersion):
    original = traces(trained(scvi, cells, kind, likelihood, dispersion, nullcontext()))
    ours = traces(trained(scvi, cells, kind, likelihood, dispersion, patch_scvi()))
    assert ours.keys() == original.keys()
    assert len(ours["elbo_train"]) == 15
    for name, curve in original.items():
        np.testing.assert_allclose(ours[name], curve, rtol=1e-6, err_msg=name)


# --- a model trained on the drop-ins ---


@pytest.fixture(scope="module", params=["nb", "zinb"])
def model(request, scvi, cells):
    return trained(scvi, cells, "SCVI", request.param, "gene", patch_scvi())


RESULTS = {
    "expression": lambda m: m.get_normalized_expression(return_numpy=True),
    "expression, latent library": lambda m: m.get_normalized_expression(
        library_size="latent", transform_batch="batch_1", n_samples=3, return_numpy=True
    ),
    "expression, importance weights": lambda m: m.get_normalized_expression(
        indices=np.arange(10), n_samples_overall=200, weights="importance", return_numpy=True
    ),
    "likelihood parameters": lambda m: m.get_likelihood_parameters(n_samples=2),
    "reconstruction error": lambda m: m.get_reconstruction_error(),
    "elbo": lambda m: m.get_elbo(),
    "marginal likelihood": lambda m: m.get_marginal_ll(
        indices=np.arange(10), n_mc_samples=20, n_mc_samples_per_pass=10
    ),
    "differential expression": lambda m: m.differential_expression(
        groupby="batch", group1="batch_0", silent=True
    ).select_dtypes("number"),
}


def numbers(result):
    """What a method returned, as arrays by name."""
    if hasattr(result, "items"):
        return {name: np.asarray(value) for name, value in result.items()}
    return {"": np.asarray(result)}


@pytest.mark.parametrize("name", RESULTS)
def test_results(scvi, model, name):
    with patch_scvi():
        scvi.settings.seed = 1
        ours = numbers(RESULTS[name](model))
    scvi.settings.seed = 1
    expected = numbers(RESULTS[name](model))
    assert ours.keys() == expected.keys()
    for part, value in expected.items():
        np.testing.assert_allclose(ours[part], value, rtol=1e-5, atol=1e-7, err_msg=part)


def test_posterior_predictive_samples(scvi, model):
    def draws():
        scvi.settings.seed = 1
        sparse = model.posterior_predictive_sample(indices=np.arange(20), n_samples=400)
        return sparse.todense().astype(float)

    expected = draws()
    with patch_scvi():
        ours, again = draws(), draws()
    np.testing.assert_array_equal(ours, again)
    assert not np.array_equal(ours, expected)
    variance = (ours.var(axis=-1) + expected.var(axis=-1)) / ours.shape[-1]
    deviation = (ours.mean(axis=-1) - expected.mean(axis=-1)) / np.sqrt(variance)
    assert np.abs(deviation).max() < 5  # of 1,200 means
    assert 0.8 < np.mean(deviation**2) < 1.2


def test_save_and_load(scvi, cells, model, tmp_path):
    def results(of):
        scvi.settings.seed = 1
        return numbers(RESULTS["likelihood parameters"](of))

    with patch_scvi():
        expected = results(model)
    model.save(tmp_path, save_anndata=False, overwrite=True)
    for patch in (patch_scvi(), nullcontext()):
        with patch:
            loaded = scvi.model.SCVI.load(tmp_path, adata=cells)
            assert loaded.is_trained
            found = results(loaded)
        for part, value in expected.items():
            np.testing.assert_allclose(found[part], value, rtol=1e-6, err_msg=part)
