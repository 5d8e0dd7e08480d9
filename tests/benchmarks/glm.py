"""Negative binomial regression: calibration, power, speed, and what other packages reach.

    python tests/benchmarks/glm.py null      p-values without differences, and false discoveries
    python tests/benchmarks/glm.py power     against PyDESeq2 at the same false discovery rate
    python tests/benchmarks/glm.py speed     CPU seconds, warm, alternated in one process
    python tests/benchmarks/glm.py cells     time against the number of cells
    python tests/benchmarks/glm.py peers     log-likelihoods of PyDESeq2 and statsmodels below ours
    python tests/benchmarks/glm.py plugin    PyDESeq2 with its own engine and with ours

PyDESeq2 and statsmodels are optional. --genes changes the size of everything.
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
from scipy import sparse, stats
from scipy.special import gammaln
from timing import machine

from jaxnb import glm


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


def calibration(name, table, truth):
    """Uniformity of the p-values of genes without, and discoveries among all."""
    p, found = table["p_value"].to_numpy(), (table["p_adjusted"] < 0.05).to_numpy()
    null = p[~truth & ~np.isnan(p)]
    if not truth.any():
        test = stats.kstest(null, "uniform")
        print(
            f"{name:45s} {null.size} p-values: Kolmogorov-Smirnov D {test.statistic:.4f}, "
            f"p {test.pvalue:.2g}; below 0.05 {np.mean(null < 0.05):.4f}, below 0.001 "
            f"{np.mean(null < 0.001):.5f}"
        )
    else:
        print(
            f"{name:45s} false discovery rate {np.sum(found & ~truth) / max(found.sum(), 1):.3f}, "
            f"power {np.sum(found & truth) / truth.sum():.3f}"
        )


def null(genes):
    """Every test on data without differences, then with one gene in ten."""
    for share in (0.0, 0.1):
        counts, obs, truth = bulk(genes, seed=11, share=share)
        for dispersion in ("cox-reid", "shrunken"):
            fit = glm.fit(counts, "~ condition", obs=obs, dispersion=dispersion)
            for method in ("wald", "lr", "ql"):
                table = fit.test("condition", "B", "A", method=method)
                calibration(f"4 against 4 samples, {dispersion}, {method}", table, truth)
        counts, obs, truth = cells(genes, count=500, seed=3, share=share)
        fit = glm.fit(counts, "~ batch + group", obs=obs, size_factors="depth")
        for method in ("wald", "lr", "ql"):
            table = fit.test("group", "B", "A", method=method)
            calibration(f"500 cells, {fit.dispersion_method}, {method}", table, truth)
    pseudobulk_null(genes // 4)


def pseudobulk_null(genes):
    """Six donors against six, 60 cells each, that differ among each other."""
    rng = np.random.default_rng(8)
    donor = np.repeat(np.arange(12), 60)
    obs = pd.DataFrame({"donor": donor.astype(str), "disease": np.where(donor < 6, "no", "yes")})
    eta = rng.normal(-0.5, 1.3, genes) + rng.normal(0, 0.3, (12, genes))[donor]
    alpha = np.exp(rng.normal(-0.3, 1, genes))
    counts = draw(rng, np.exp(rng.normal(0, 0.4, (donor.size, 1)) + eta), alpha)
    sums, lines = glm.pseudobulk(counts, "donor", obs=obs)
    table = glm.fit(sums, "~ disease", obs=lines).test("disease", "yes", "no")
    calibration("pseudobulk, 6 against 6 donors", table, np.zeros(genes, bool))


def power(genes):
    """The share of true genes among as many first ones as keep false discoveries at 5 %."""
    for seed in (1, 2, 3):
        counts, obs, truth = bulk(genes, seed=seed, share=0.1)
        fit = glm.fit(counts, "~ condition", obs=obs)
        ranked = {m: fit.test("condition", "B", "A", method=m) for m in ("wald", "lr", "ql")}
        columns = {f"ours, {name}": table["p_value"] for name, table in ranked.items()}
        columns["PyDESeq2"] = deseq2(counts, obs, None)[1]["pvalue"]
        for name, p in columns.items():
            order = np.argsort(np.where(np.isnan(p), 2, p), kind="stable")
            wrong = np.cumsum(~truth[order]) / np.arange(1, truth.size + 1)
            last = np.flatnonzero(wrong <= 0.05).max(initial=0)
            print(
                f"{seed} {name:12s} power at a true 5 % "
                f"{truth[order][:last].sum() / truth.sum():.3f}"
            )


def deseq2(counts, obs, inference):
    """PyDESeq2's data set and results, silently."""
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.default_inference import DefaultInference
    from pydeseq2.ds import DeseqStats

    inference = inference or DefaultInference(n_cpus=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = pd.DataFrame(counts, obs.index, [f"g{j}" for j in range(counts.shape[1])])
        data = DeseqDataSet(
            counts=frame, metadata=obs, design="~condition", inference=inference, quiet=True,
            refit_cooks=False,
        )  # fmt: skip
        data.deseq2()
        found = DeseqStats(
            data, contrast=["condition", "B", "A"], inference=inference, quiet=True,
            cooks_filter=False, independent_filter=False,
        )  # fmt: skip
        found.run_wald_test()
    return data, pd.DataFrame({"pvalue": np.asarray(found.p_values)}, frame.columns)


def cpu(call):
    """CPU seconds of one call and its result."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def speed(genes):
    """Preparation, restarts and all: milliseconds of CPU a gene; the first call compiles."""
    print(machine())
    single, obs, _ = cells(genes, count=5000, seed=1, groups=4)
    few = single[:, : genes // 10]
    samples, groups, _ = bulk(genes, seed=1, share=0.1)
    jobs = {
        "5,000 cells, ~ batch + group": (single, "~ batch + group", obs, "depth"),
        "5,000 cells, ~ batch + group + age": (few, "~ batch + group + age", obs, "depth"),
        "8 samples": (samples, "~ condition", groups, "median-ratio"),
    }
    for name, (counts, design, lines, factors) in jobs.items():
        for dispersion in ("ml", "cox-reid"):
            times = [
                cpu(
                    lambda args=(counts, design, lines, factors, dispersion): glm.fit(
                        args[0], args[1], obs=args[2], size_factors=args[3], dispersion=args[4]
                    )
                )[0]
                for _ in range(4)
            ]
            per_gene = 1e3 * min(times[1:]) / counts.shape[1]
            print(
                f"{name:38s} {dispersion:9s} {per_gene:7.3f} ms a gene; compilation and "
                f"tracing {times[0] - min(times[1:]):.1f} s"
            )
    taken, _ = cpu(lambda: deseq2(samples[:, :500], groups, None))
    print(f"PyDESeq2, 8 samples, all steps: {1e3 * taken / 500:.2f} ms a gene")


def scaling(genes):
    """After preparation the number of cells does not matter."""
    for count in (5_000, 50_000, 200_000):
        counts, obs, _ = cells(genes // 10, count=count, seed=2, groups=4)
        fit = glm.fit(counts, "~ batch + group", obs=obs, size_factors="depth")
        times = [cpu(lambda fit=fit: fit.regression.fit(cox_reid=True))[0] for _ in range(4)]
        whole, _ = cpu(
            lambda c=counts, o=obs: glm.fit(c, "~ batch + group", obs=o, size_factors="depth")
        )
        print(f"{count} cells: fit {min(times):.3f} s, with preparation {whole:.3f} s")


def log_likelihood(x, mean, alpha):
    """Of one gene, in double precision."""
    if alpha < 1e-10:
        return float(np.sum(stats.poisson.logpmf(x, mean)))
    theta = 1 / alpha
    terms = gammaln(x + theta) - gammaln(theta) - gammaln(x + 1.0)
    return float(np.sum(terms + x * np.log(mean / (mean + theta)) - theta * np.log1p(mean / theta)))


def peers(genes):
    """How far below our maximum-likelihood fits others end, on the same genes."""
    import statsmodels.api as sm

    count = max(genes // 100, 20)
    counts, obs, _ = cells(count, count=400, seed=5)
    fit = glm.fit(counts, "~ batch + group", obs=obs, size_factors="depth", dispersion="ml")
    deficits = []
    for gene in np.flatnonzero((fit.status == "converged").to_numpy()):
        x = counts[:, [gene]].toarray().ravel()
        offset = np.log(obs["depth"].to_numpy())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = sm.NegativeBinomial(x, fit.design.matrix, offset=offset)
            found = model.fit(disp=0, maxiter=500, method="bfgs")
        deficits.append(fit.log_likelihood.iloc[gene] - found.llf)
    told("statsmodels, 400 cells", np.array(deficits))
    samples, groups, _ = bulk(genes // 10, seed=5, share=0.1)
    data, _ = deseq2(samples, groups, None)
    factors = data.obs["size_factors"].to_numpy()
    fit = glm.fit(samples, "~ condition", obs=groups, size_factors=factors, dispersion="cox-reid")
    deficits = []
    design = data.obsm["design_matrix"].to_numpy(float)
    beta, alpha = data.varm["LFC"].to_numpy(), data.var["dispersions"].to_numpy()
    usable = np.isfinite(beta).all(axis=1) & np.isfinite(alpha)
    ours = fit.regression.fit_at(np.where(usable, alpha, 0))[1]
    for gene in np.flatnonzero(usable):
        mean = factors * np.exp(design @ beta[gene])
        deficits.append(ours[gene] - log_likelihood(samples[:, gene], mean, alpha[gene]))
    told("PyDESeq2's coefficients at its dispersions", np.array(deficits))


def told(name, deficits):
    print(
        f"{name}: {deficits.size} genes; below ours by > 1e-6 {np.sum(deficits > 1e-6)}, > 1e-3 "
        f"{np.sum(deficits > 1e-3)}, most {deficits.max():.2g}; above ours by at most "
        f"{-deficits.min():.1g}"
    )


def plugin(genes):
    """The whole of PyDESeq2 with both engines, alternated."""
    samples, groups, _ = bulk(genes // 10, seed=5, share=0.1)
    ours = glm.PyDESeq2Inference(n_cpus=1)
    deseq2(samples, groups, ours)
    rounds = [
        (
            cpu(lambda: deseq2(samples, groups, None))[0],
            cpu(lambda: deseq2(samples, groups, ours))[0],
        )
        for _ in range(2)
    ]
    theirs, with_ours = np.min(rounds, axis=0)
    print(f"{samples.shape[1]} genes: own engine {theirs:.1f} s, ours {with_ours:.1f} s of CPU")


if __name__ == "__main__":
    jobs = {
        "null": null, "power": power, "speed": speed, "cells": scaling, "peers": peers,
        "plugin": plugin,
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=jobs)
    parser.add_argument("--genes", type=int, default=20_000)
    options = parser.parse_args()
    jobs[options.job](options.genes)
