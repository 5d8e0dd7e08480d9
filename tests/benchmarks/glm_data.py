"""Simulated counts for the regression: samples of two conditions, and cells of several groups."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse


def draw(rng, mean, alpha):
    """Negative binomial counts."""
    theta = 1 / alpha
    return rng.poisson(rng.gamma(theta, alpha, mean.shape) * mean).astype(np.int32)


def bulk(genes, *, seed, share, samples=4):
    """Two conditions: dispersions around a trend, a share of genes with differences."""
    rng = np.random.default_rng(seed)
    condition = np.repeat([0, 1], samples)
    factors = np.exp(rng.normal(0, 0.3, 2 * samples))
    base = rng.normal(4, 2.2, genes)
    change = np.where(rng.random(genes) < share, rng.normal(0, 1, genes), 0)
    alpha = (0.05 + 2 / np.exp(base)) * np.exp(rng.normal(0, 0.6, genes))
    mean = factors[:, None] * np.exp(base + np.outer(condition, change))
    obs = pd.DataFrame({"condition": np.array(["A", "B"])[condition]})
    obs.index = [f"s{i}" for i in range(len(obs))]
    return draw(rng, mean, np.minimum(alpha, 20)), obs, change != 0


def cells(genes, *, count, seed, share=0.0, groups=2):
    """Cells of several groups and two batches, three quarters zeros."""
    rng = np.random.default_rng(seed)
    obs = pd.DataFrame(
        {
            "group": rng.choice(list("ABCD")[:groups], count),
            "batch": rng.choice(list("xy"), count),
            "age": rng.uniform(-1, 1, count),
            "depth": np.exp(rng.normal(0, 0.4, count)),
        }
    )
    base, alpha = rng.normal(-1.6, 1.6, genes), np.exp(rng.normal(-0.3, 1, genes))
    change = np.where(rng.random(genes) < share, rng.normal(0, 0.7, genes), 0)
    batch = rng.normal(0, 0.3, genes)
    parts = []
    for start in range(0, genes, 500):
        part = slice(start, start + 500)
        eta = base[part] + np.outer(obs["group"] == "B", change[part])
        eta += np.outer(obs["batch"] == "y", batch[part])
        mean = obs["depth"].to_numpy()[:, None] * np.exp(eta)
        parts.append(sparse.csc_array(draw(rng, mean, alpha[part])))
    return sparse.hstack(parts, format="csc"), obs, change != 0


def cpu(call: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of one call and its result."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result
