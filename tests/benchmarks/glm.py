"""Negative binomial regression: calibration, power and speed.

    python tests/benchmarks/glm.py null      p-values without differences, and false discoveries
    python tests/benchmarks/glm.py depth     cells of groups of other depths, and Wilcoxon's test
    python tests/benchmarks/glm.py tails     cells of heavier tails than the model, and sums
    python tests/benchmarks/glm.py power     against PyDESeq2 at the same false discovery rate
    python tests/benchmarks/glm.py plugin    PyDESeq2 with its own engine and with ours
    python tests/benchmarks/glm.py speed --with-r    CPU seconds, warm, alternated with glmGamPoi
    python tests/benchmarks/glm.py cold      the command from the shell, against Rscript
    python tests/benchmarks/glm.py compile   seconds of compilation by shape of the design
    python tests/benchmarks/glm.py cells     time against the number of cells

Log-likelihoods against other packages are in glm_peers.py. PyDESeq2 and Rscript with glmGamPoi are
optional. --genes changes the size of everything.
"""

import argparse
import warnings

import glm_speed
import numpy as np
import pandas as pd
from glm_data import bulk, cells, cpu, draw
from scipy import stats

from jaxnb import glm

SMALLER = ("cold", "compile", "cells", "tails")


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


def depth(genes):
    """200 cells against 200 that were sequenced deeper, by the default and by Wilcoxon's test."""
    group = np.repeat(["A", "B"], 200)
    for share in (0.0, 0.1):
        for ratio in (1, 3, 10):
            rng = np.random.default_rng(10 * ratio + (share > 0))
            sizes = np.exp(rng.normal(0, 0.4, 400)) * np.where(group == "B", ratio, 1)
            base, alpha = rng.normal(-1.6, 1.6, genes), np.exp(rng.normal(-0.3, 1, genes))
            change = np.where(rng.random(genes) < share, rng.normal(0, 0.7, genes), 0)
            mean = sizes[:, None] * np.exp(base + np.outer(group == "B", change))
            counts = draw(rng, mean, alpha)
            seen = counts.any(axis=0)
            counts, truth = counts[:, seen], change[seen] != 0
            fit = glm.fit(counts, "~ group", obs=pd.DataFrame({"group": group}))
            calibration(f"depths 1 and {ratio}, default", fit.test("group", "B", "A"), truth)
            totals = counts.sum(axis=1, keepdims=True)
            logs = np.log1p(counts / totals * np.median(totals))
            p = stats.mannwhitneyu(logs[:200], logs[200:]).pvalue
            wilcoxon = {"p_value": p, "p_adjusted": stats.false_discovery_control(p)}
            calibration(f"depths 1 and {ratio}, Wilcoxon", pd.DataFrame(wilcoxon), truth)


def tails(genes):
    """300 cells against 300 of one variance, gamma and log-normal, and sums of random parts."""
    group, part = np.repeat(["A", "B"], 300), np.tile(np.arange(10), 60).astype(str)
    obs = pd.DataFrame({"group": group, "part": part})
    for share in (0.0, 0.1):
        for kind in ("gamma", "log-normal"):
            rng = np.random.default_rng(7 + (share > 0))
            change = np.where(rng.random(genes) < share, rng.normal(0, 0.7, genes), 0)
            eta = rng.uniform(np.log(0.1), np.log(20), genes) + np.outer(group == "B", change)
            if kind == "gamma":
                counts = draw(rng, np.exp(eta), np.full(genes, np.e - 1))
            else:
                counts = rng.poisson(np.exp(eta + rng.normal(-0.5, 1, eta.shape)))
            fit = glm.fit(counts, "~ group", obs=obs, size_factors=np.ones(600))
            for method in ("lr", "wald", "ql"):
                table = fit.test("group", "B", "A", method=method)
                calibration(f"{kind}, {method}", table, change != 0)
            sums, lines = glm.pseudobulk(counts, ["group", "part"], obs=obs)
            table = glm.fit(sums, "~ group", obs=lines, size_factors=np.ones(20)).test("group[T.B]")
            calibration(f"{kind}, sums of 30 cells", table, change != 0)


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
        "null": null,
        "depth": depth,
        "tails": tails,
        "power": power,
        "plugin": plugin,
        "speed": glm_speed.speed,
        "cold": glm_speed.cold,
        "compile": glm_speed.compilation,
        "cells": glm_speed.scaling,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=jobs)
    parser.add_argument("--genes", type=int)
    parser.add_argument("--with-r", action="store_true", help="speed: alternated with glmGamPoi")
    options = parser.parse_args()
    if options.job == "speed":
        glm_speed.speed(options.genes or 2000, with_r=options.with_r)
    else:
        jobs[options.job](options.genes or (2000 if options.job in SMALLER else 20_000))
