"""Random intercepts of donors: level and power of the tests, and time a gene.

    python tests/benchmarks/mixed.py level --donors 6 --cells 40 --genes 500
    python tests/benchmarks/mixed.py level --donors 6 --cells 40 --genes 600 --within --slope 0.3
    python tests/benchmarks/mixed.py level --donors 6 --methods moderated,sums,edger,voom,cells
    python tests/benchmarks/mixed.py speed

Counts are negative binomial given normal effects of the donors, with standard deviations that
differ between genes (scaled inverse chi squared on 5 degrees of freedom around 0.3 squared), means
from 0.03 to 10, dispersions from a gamma distribution, unequal numbers of cells, and size factors.
Methods are those of `MixedFit.test`; "sums", quasi-likelihood on sums over the cells of a donor;
"edger" and "voom", those of R on the same sums (Debian: r-bioc-edger); "cells", as replicates.
"""

import argparse
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import formulaic
import numpy as np
import pandas as pd

from jaxnb import glm

LEVELS = (0.05, 0.01, 0.001)


def simulated(options, seed):
    """Counts, obs, size factors, and which genes have no effect."""
    rng = np.random.default_rng(seed)
    donors, genes = options.donors, options.genes
    sizes = options.cells * np.exp(rng.normal(0, 0.7, donors) - 0.7**2 / 2)
    sizes = np.maximum(np.round(sizes), 6).astype(int)
    donor = np.repeat(np.arange(donors), sizes)
    treated = donors // 2 if options.treated is None else options.treated
    condition = rng.integers(0, 2, donor.size) if options.within else (donor < treated) * 1
    factors = rng.choice([0.6, 1.0, 1.6], donor.size, p=[0.25, 0.5, 0.25])
    mean = np.exp(rng.uniform(np.log(0.03), np.log(10), genes))
    if options.sigma is None:
        sigma = np.minimum(0.3 * np.sqrt(5 / rng.chisquare(5, genes)), 2.5)
    else:
        sigma = np.full(genes, options.sigma)
    alpha = rng.gamma(2, 0.3, genes) + 0.05
    null = np.arange(genes) >= options.different * genes
    effect = np.where(null, 0, options.effect * np.where(np.arange(genes) % 2, 1, -1))
    eta = np.log(mean) + rng.normal(0, 1, (donors, genes))[donor] * sigma - sigma**2 / 2
    slopes = rng.normal(0, options.slope, (donors, genes))[donor]
    eta = eta + condition[:, None] * effect + slopes * (condition[:, None] - 0.5)
    mu = factors[:, None] * np.exp(eta)
    counts = rng.poisson(rng.gamma(1 / alpha, size=mu.shape) * alpha * mu)
    kept = counts.sum(axis=0) >= 10
    obs = pd.DataFrame({"donor": donor, "condition": np.where(condition, "B", "A")})
    return counts[:, kept], obs, factors, null[kept]


def level(options):
    """Shares of p-values of genes without an effect below each level, and power at a true 1 %."""
    methods = options.methods.split(",")
    found = {method: ([], []) for method in methods}
    for seed in range(options.first_seed, options.first_seed + options.repeats):
        counts, obs, factors, null = simulated(options, seed)
        began = time.process_time()
        fit = glm.fit(
            counts,
            "~ condition",
            obs=obs,
            size_factors=factors,
            random="donor",
            dispersion=options.dispersion,
        )
        after = time.process_time()
        by_r = None
        for method in methods:
            if method in ("edger", "voom"):
                if by_r is None:
                    by_r = sums_by_r(counts, obs, factors, within=options.within)
                p = by_r[method]
            else:
                p = by_method(method, fit, counts, obs, factors, options)
            p = p.fillna(1).to_numpy()
            found[method][0].append(p[null])
            found[method][1].append(p[~null])
        done = time.process_time() - after
        print(
            f"seed {seed}: {counts.shape[1]} genes, fit {1e3 * (after - began) / len(null):.2f}, "
            f"tests {1e3 * done / len(null):.2f} CPU ms a gene;",
            dict(fit.status.value_counts()),
        )
    where = "within" if options.within else "between"
    what = f"{options.donors} donors, {options.cells} cells, {where}"
    for method, (null, other) in found.items():
        p, different = np.concatenate(null), np.concatenate(other)
        shares = " ".join(_share(null, bound) for bound in LEVELS)
        power = ""
        if different.size:
            found_ones = np.mean(different <= np.quantile(p, 0.01))
            power = f"; power at a true rate of 1 %: {100 * found_ones:.3g} %"
        print(f"{what}: {method}: {shares} % of {p.size} below {LEVELS}{power}", flush=True)


def _share(parts, bound):
    """The percentage of p-values below a bound, and its range over simulations."""
    whole = 100 * np.mean(np.concatenate(parts) < bound)
    if len(parts) == 1:
        return f"{whole:.3g}"
    each = [100 * np.mean(p < bound) for p in parts]
    return f"{whole:.3g} ({min(each):.3g} to {max(each):.3g})"


def by_method(method, fit, counts, obs, factors, options):
    """p-values of B over A."""
    if method == "sums":
        sums, lines, sizes, design = sums_of(counts, obs, factors, within=options.within)
        plain = glm.fit(sums, design, obs=lines, size_factors=sizes, dispersion="shrunken")
        return plain.test("condition", "B", "A", method="ql")["p_value"]
    if method == "cells":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plain = glm.fit(counts, "~ condition", obs=obs, size_factors=factors, dispersion="ml")
        return plain.test("condition", "B", "A", method="wald")["p_value"]
    table = fit.test("condition", "B", "A", method=method)
    print(method, {k: v for k, v in table.attrs.items() if k in ("sigma", "tau")}, end=" ")
    return table["p_value"]


def sums_of(counts, obs, factors, *, within):
    """Counts added up over the cells of every donor and condition, what is known of them, sizes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sums, lines = glm.pseudobulk(counts, ["donor", "condition"], obs=obs, min_cells=1)
    groups = obs["donor"].astype(str) + "_" + obs["condition"]
    sizes = pd.Series(factors).groupby(groups.to_numpy()).sum()[lines.index]
    lines = lines.assign(donor=lines["donor"].astype(str))
    design = "~ donor + condition" if within else "~ condition"
    return sums, lines, (sizes / sizes.mean()).to_numpy(), design


def sums_by_r(counts, obs, factors, *, within):
    """p-values of edgeR and limma on the sums."""
    sums, lines, sizes, design = sums_of(counts, obs, factors, within=within)
    with tempfile.TemporaryDirectory() as folder:
        np.savetxt(Path(folder, "counts.csv"), sums.to_numpy().T, fmt="%d", delimiter=",")
        np.savetxt(Path(folder, "size_factors.csv"), sizes)
        matrix = formulaic.model_matrix(design, lines).to_numpy()
        np.savetxt(Path(folder, "design.csv"), matrix, delimiter=",")
        subprocess.run(["Rscript", Path(__file__).with_name("mixed_sums.R"), folder], check=True)
        return pd.read_csv(Path(folder, "p.csv"), names=["edger", "voom"])


def speed(options):
    """CPU time a gene of fit and test, at several numbers of cells, after compilation."""
    for cells in map(int, options.cells_of_speed.split(",")):
        options.cells, options.donors = cells, 20
        counts, obs, factors, _ = simulated(options, 1)
        for when in ("with compilation", "without"):
            began = time.process_time()
            fit = glm.fit(
                counts,
                "~ condition",
                obs=obs,
                size_factors=factors,
                random="donor",
                dispersion=options.dispersion,
            )
            after = time.process_time()
            fit.test("condition", "B", "A")
            done = time.process_time()
            fitting, testing = (
                1e3 * seconds / counts.shape[1] for seconds in (after - began, done - after)
            )
            print(
                f"{len(obs)} cells, {counts.shape[1]} genes, {options.dispersion}: CPU ms a gene "
                f"{when}: fit {fitting:.2f}, test {testing:.2f}",
                flush=True,
            )


def main():
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("level", "speed"))
    parser.add_argument("--donors", type=int, default=6)
    parser.add_argument("--treated", type=int, help="donors in B (default: half)")
    parser.add_argument("--cells", type=int, default=50, help="a donor, on average")
    parser.add_argument("--cells-of-speed", default="100,1000,10000", help="the same, for speed")
    parser.add_argument("--genes", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--sigma", type=float, help="the same for all genes")
    parser.add_argument("--within", action="store_true", help="both conditions in every donor")
    parser.add_argument("--slope", type=float, default=0.0, help="sd of the donors' own effects")
    parser.add_argument(
        "--different", type=float, default=0.0, help="share of genes with an effect"
    )
    parser.add_argument("--effect", type=float, default=1.0)
    parser.add_argument("--dispersion", default="ml", choices=("ml", "cox-reid"))
    parser.add_argument("--methods", default="moderated,sums")
    options = parser.parse_args()
    {"level": level, "speed": speed}[options.what](options)


if __name__ == "__main__":
    main()
