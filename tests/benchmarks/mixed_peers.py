"""Random intercepts of donors: estimates and time beside glmmTMB and lme4 of R.

    python tests/benchmarks/mixed_peers.py --data simulation --donors 20 --cells 100 --genes 20
    python tests/benchmarks/mixed_peers.py --data blood --donors 10 --genes 20

Needs Rscript with both packages (Debian: r-cran-glmmtmb, r-cran-lme4). Simulated counts are those
of `mixed.py`; blood are the bundled cells, given to donors by chance, their counts thinned by a
normal effect of each donor on every gene. Both packages use Laplace's approximation. "lost" is how
far the log-likelihood by quadrature at a package's estimates is below its maximum, for REML with
-½ log det of the coefficients' information.
"""

import argparse
import subprocess
import tempfile
import time
import types
from pathlib import Path

import mixed
import numpy as np
import pandas as pd

from jaxnb import glm
from jaxnb.datasets import pbmc68k
from jaxnb.glm.mixed.problem import Point

COLUMNS = ["method", "gene", "log_likelihood", "intercept", "effect", "sd", "alpha", "seconds"]


def thinned_blood(options):
    """Counts of the bundled cells with donors, obs and size factors."""
    rng = np.random.default_rng(options.seed)
    data = pbmc68k()
    counts, totals = data.counts.toarray(), data.total_counts
    donor = rng.permutation(np.arange(len(counts)) % options.donors)
    effects = rng.normal(0, 0.4, (options.donors, counts.shape[1]))
    effects -= effects.max(axis=0)
    counts = rng.binomial(counts, np.exp(effects)[donor])
    order = np.argsort(-counts.sum(axis=0))
    kept = order[np.linspace(0, np.sum(counts.sum(axis=0) >= 100) - 1, options.genes).astype(int)]
    condition = np.where(donor < options.donors // 2, "B", "A")
    obs = pd.DataFrame({"donor": donor, "condition": condition})
    return counts[:, kept], obs, totals / totals.mean()


def simulation(options):
    """Counts by `mixed.simulated`, obs and size factors."""
    fixed = {"treated": None, "within": False, "sigma": None, "slope": 0.0}
    fixed |= {"different": 0.5, "effect": 0.5}
    how = types.SimpleNamespace(**fixed, **vars(options))
    counts, obs, factors, _ = mixed.simulated(how, options.seed)
    return counts, obs, factors


def ours(counts, obs, factors, dispersion):
    """A fit, and its CPU time a gene without compilation."""
    for _ in range(2):
        began = time.process_time()
        fit = glm.fit(
            counts,
            "~ condition",
            obs=obs,
            size_factors=factors,
            random="donor",
            dispersion=dispersion,
        )
        seconds = time.process_time() - began
    return fit, seconds / counts.shape[1]


def objective(fit, table):
    """The log-likelihood, and with the adjustment of REML, at estimates of some genes."""
    genes = table["gene"].to_numpy() - 1
    at = Point(
        table["alpha"].to_numpy(),
        table[["intercept", "effect"]].to_numpy(),
        np.maximum(table["sd"].to_numpy(), 0),
    )
    ((_, problem),) = fit.regression.problems()
    here = problem.evaluate(genes, at)
    value = here.log_likelihood - problem.data.exceedances.log_factorials[genes]
    return value, value - 0.5 * np.linalg.slogdet(-here.hessian[:, :2, :2])[1]


def own_table(fit):
    """Estimates in the form of the R script's."""
    point = fit.estimates.point
    table = pd.DataFrame(point.beta, columns=["intercept", "effect"])
    return table.assign(gene=table.index + 1, sd=point.sigma, alpha=point.alpha)


def main():
    """Compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", choices=("simulation", "blood"), default="simulation")
    parser.add_argument("--donors", type=int, default=20)
    parser.add_argument("--cells", type=int, default=100, help="a donor, of the simulation")
    parser.add_argument("--genes", type=int, default=20)
    parser.add_argument("--glmer", type=int, default=3, help="genes that glmer.nb is run on")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    counts, obs, factors = (thinned_blood if options.data == "blood" else simulation)(options)
    with tempfile.TemporaryDirectory() as folder:
        np.savetxt(Path(folder, "counts.csv"), counts, fmt="%d", delimiter=",")
        cells = [np.log(factors), obs["donor"], obs["condition"] == "B"]
        np.savetxt(Path(folder, "cells.csv"), np.column_stack(cells), fmt="%.17g", delimiter=",")
        script = Path(__file__).with_suffix(".R")
        subprocess.run(["Rscript", script, folder, str(options.glmer)], check=True)
        peers = pd.read_csv(Path(folder, "peers.csv"), names=COLUMNS)
    fits = {"ML": ours(counts, obs, factors, "ml"), "REML": ours(counts, obs, factors, "cox-reid")}
    cells, genes = counts.shape
    print(f"{options.data}: {cells} cells, {options.donors} donors, {genes} genes")
    print("| method | genes | log-likelihood off | lost | sd off | effect off | CPU ms a gene |")
    print("|---|---|---|---|---|---|---|")
    for method, table in peers.groupby("method", sort=False):
        restricted = method.endswith("REML")
        fit, own_seconds = fits["REML" if restricted else "ML"]
        mine = own_table(fit).iloc[table["gene"] - 1]
        here, best = (objective(fit, entry)[restricted] for entry in (table, mine))
        claimed = table["log_likelihood"] - np.log(2 * np.pi) * restricted
        off = {
            "log-likelihood off": np.abs(claimed - here),
            "lost": best - here,
            "sd off": np.abs(table["sd"] - mine["sd"].to_numpy()),
            "effect off": np.abs(table["effect"] - mine["effect"].to_numpy()),
        }
        cells = [f"{np.median(entry):.1g} (most {np.max(entry):.1g})" for entry in off.values()]
        milliseconds = f"{1e3 * table['seconds'].median():.0f}, jaxnb {1e3 * own_seconds:.1f}"
        print("|", " | ".join([method, str(len(table)), *cells, milliseconds]), "|")


if __name__ == "__main__":
    main()
