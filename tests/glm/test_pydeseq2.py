"""PyDESeq2 with this package's estimates: the same results where its own converge."""

import warnings

import numpy as np
import pandas as pd
import pytest

from jaxnb import glm

pytest.importorskip("pydeseq2")


@pytest.fixture(scope="module")
def results():
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.default_inference import DefaultInference
    from pydeseq2.ds import DeseqStats

    rng = np.random.default_rng(6)
    obs = pd.DataFrame({"condition": list("AABB") * 5}, index=[f"s{i}" for i in range(20)])
    mean = np.exp(rng.normal(4, 1, 80)) * np.exp(rng.normal(0, 0.3, (20, 1)))
    mean[(obs["condition"] == "B").to_numpy(), :20] *= 2
    theta = 5 * np.exp(rng.normal(0, 0.4, 80))
    x = rng.poisson(rng.gamma(theta, 1 / theta, mean.shape) * mean)
    counts = pd.DataFrame(x, obs.index, [f"g{j}" for j in range(80)])
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyDESeq2's own, of its dependencies
        engines = {"ours": glm.PyDESeq2Inference(), "theirs": DefaultInference(n_cpus=1)}
        for name, inference in engines.items():
            data = DeseqDataSet(
                counts=counts, metadata=obs, design="~condition", inference=inference, quiet=True
            )
            data.deseq2()
            contrast = ["condition", "B", "A"]
            tests = DeseqStats(data, contrast=contrast, inference=inference, quiet=True)
            tests.summary()
            found[name] = data, tests.results_df
    return found


@pytest.mark.quick
def test_same_estimates(results):
    ours, theirs = results["ours"][0], results["theirs"][0]
    np.testing.assert_allclose(ours.varm["LFC"], theirs.varm["LFC"], atol=2e-4)
    np.testing.assert_allclose(
        ours.var["genewise_dispersions"], theirs.var["genewise_dispersions"], rtol=2e-3
    )
    np.testing.assert_allclose(ours.var["dispersions"], theirs.var["dispersions"], rtol=2e-3)


def test_same_tests(results):
    ours, theirs = results["ours"][1], results["theirs"][1]
    for column in ("log2FoldChange", "lfcSE", "stat", "pvalue"):
        np.testing.assert_allclose(ours[column], theirs[column], rtol=5e-3, atol=1e-3)
