"""Outliers in bulk data: p-values without differences, false discoveries and power.

    python tests/benchmarks/glm_outliers.py --samples 3 5 8 --scenarios none one10 --genes 5000

A line for each number of samples a group and scenario, with outliers left out and kept: the false
discovery rate and the power at a nominal 5 %, the shares of p-values below 0.05 and 0.001 among
genes without differences and outliers, of genes that are flagged among those without outliers, and
of outliers found; means over the seeds, and the standard error of that of the false discovery rate.
Log-normal means above 5, dispersions (0.02 + 1.5/m) exp(N(0, 0.7²)), size factors exp(N(0, 0.25²)),
log2 fold changes N(0, 1) in a tenth of the genes.
"""

import argparse
import time

import numpy as np
import pandas as pd
from glm_data import draw

from jaxnb import glm

# Shares of genes, and what is done to them.
SCENARIOS = {
    "none": 0.0,
    "one3": 0.03,  # one count times 10 to 100
    "one10": 0.10,
    "two3": 0.03,  # two counts
    "mild3": 0.03,  # one count times 3 to 10
    "low3": 0.03,  # one count over 10 to 100
    "switch3": 0.03,  # on in half of the samples, times 30
    "wide3": 0.03,  # ten times the dispersion
    "lognormal": 0.0,  # log-normal instead of gamma variation, no differences
}
_TIMES = {"mild3": (3, 10)}


def simulate(samples, scenario, seed, genes):
    """Counts (samples x genes), the groups, and which genes differ and are special."""
    rng = np.random.default_rng([seed, samples])
    m = np.exp(rng.normal(5.5, 1.8, 3 * genes))
    m = m[m > 5][:genes]
    alpha = (0.02 + 1.5 / m) * np.exp(rng.normal(0, 0.7, genes))
    special = np.zeros(genes, bool)
    special[rng.choice(genes, int(SCENARIOS[scenario] * genes), replace=False)] = True
    if scenario == "wide3":
        alpha = np.where(special, 10 * alpha + 0.5, alpha)
    true = np.zeros(genes, bool)
    true[rng.choice(genes, genes // 10, replace=False)] = True
    if scenario == "switch3":
        true &= ~special
    if scenario == "lognormal":
        true[:] = False
    fold = np.where(true, rng.normal(0, 1, genes), 0) * np.log(2)
    group = np.repeat([0, 1], samples)
    factors = np.exp(rng.normal(0, 0.25, 2 * samples))
    mean = factors[:, None] * np.exp(np.log(m) + (group[:, None] - 0.5) * fold)
    if scenario == "lognormal":
        sd = 1.0
        counts = rng.poisson(mean * np.exp(rng.normal(0, sd, mean.shape) - sd**2 / 2))
    else:
        counts = draw(rng, mean, alpha)
    counts = counts.astype(np.int64)
    for gene in np.flatnonzero(special & (scenario not in ("wide3", "lognormal"))):
        disturb(counts[:, gene], scenario, rng)
    return counts, group, true, special


def disturb(counts, scenario, rng):
    """Make a gene what the scenario says, in place."""
    if scenario == "switch3":
        on = rng.random(counts.size) < 0.5
        counts[:] = rng.poisson(counts * np.where(on, 30, 1))
        return
    for row in rng.choice(counts.size, 2 if scenario == "two3" else 1, replace=False):
        low, high = np.log(_TIMES.get(scenario, (10, 100)))
        factor = np.exp(rng.uniform(low, high))
        counts[row] = np.rint(counts[row] / factor if scenario == "low3" else counts[row] * factor)


def scores(table, true, special):
    """What is printed of one table."""
    p, found = table["p_value"].to_numpy(), (table["p_adjusted"] < 0.05).to_numpy()
    null = p[~true & ~special & ~np.isnan(p)]
    flagged = table["outliers"].to_numpy() > 0 if "outliers" in table else np.zeros(p.size, bool)
    return {
        "fdr": np.sum(found & ~true) / max(found.sum(), 1),
        "power": np.sum(found & true) / true.sum() if true.any() else np.nan,
        "p<.05": np.mean(null < 0.05),
        "p<.001": np.mean(null < 0.001),
        "flagged": np.mean(flagged[~special]),
        "caught": np.mean(flagged[special]) if special.any() else np.nan,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=[3, 5, 8, 15, 30])
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS), choices=SCENARIOS)
    parser.add_argument("--genes", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    for scenario in options.scenarios:
        for samples in options.samples:
            rows = []
            for seed in options.seeds:
                counts, group, true, special = simulate(samples, scenario, seed, options.genes)
                obs = pd.DataFrame({"group": np.array(["A", "B"])[group]})
                for keep in (False, True):
                    began = time.process_time()
                    fit = glm.fit(counts, "~ group", obs=obs, keep_outliers=keep)
                    table = fit.test("group", "B", "A")
                    seconds = time.process_time() - began
                    rows.append({"kept": keep, **scores(table, true, special), "cpu": seconds})
            found = pd.DataFrame(rows).groupby("kept")
            for kept, mean in found.mean().assign(fdr_error=found["fdr"].sem()).iterrows():
                words = "  ".join(f"{name} {value:.4f}" for name, value in mean.items())
                what = "kept    " if kept else "left out"
                print(f"{samples:3d} {scenario:9s} outliers {what}  {words}", flush=True)


if __name__ == "__main__":
    main()
