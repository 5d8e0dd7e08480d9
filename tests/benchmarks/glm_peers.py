"""Where other packages' negative binomial regressions end, against the maxima found here.

    python tests/benchmarks/glm_peers.py --counts FOLDER --markdown FILE

Every log-likelihood is computed by one function, `jaxnb.log_nb_positive` in float64, at the
estimates that a package returns. Packages that maximize the likelihood are compared with the
maximum. Those that estimate dispersions by Cox and Reid's adjusted profile likelihood are compared
twice: their coefficients with the maximum at their own dispersions, and the adjusted profile
likelihood at their dispersions with its maximum.

FOLDER has pasilla*.npz and airway*.npz with `counts` (samples x genes), `design` and
`size_factors`; without it those two are skipped. The rest is bundled, comes with statsmodels or
R's MASS, or is simulated. Rscript with glmGamPoi, edgeR, DESeq2 and MASS is needed, and
statsmodels and PyDESeq2.
"""

import argparse
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pandas as pd
from glm_data import bulk, cells

import jaxnb
from jaxnb import glm

SCRIPT = Path(__file__).with_suffix(".R")
ML = {"glmgampoi_ml": "glmGamPoi, ML", "glm_nb": "glm.nb", "statsmodels": "statsmodels"}
COX_REID = {
    "glmgampoi_cr": "glmGamPoi, Cox-Reid", "edger": "edgeR", "deseq2": "DESeq2",
    "pydeseq2": "PyDESeq2",
}  # fmt: skip
R_METHODS = ["glmgampoi_ml", "glmgampoi_cr", "glm_nb", "edger", "deseq2"]
TOLERANCE = 1e-6


class Data(NamedTuple):
    """Counts (rows x genes), a design and size factors."""

    name: str
    counts: np.ndarray
    design: np.ndarray
    size_factors: np.ndarray


class Estimates(NamedTuple):
    """Coefficients, dispersions and whether the package says that it converged, by gene."""

    beta: np.ndarray
    alpha: np.ndarray
    converged: np.ndarray


def data_sets(folder: Path | None, genes: int) -> Iterator[Data]:
    """Those that are at hand, without genes that have no counts."""
    for name in ("pasilla", "airway"):
        files = sorted(folder.glob(f"{name}*.npz")) if folder else []
        if not files:
            print(f"{name}: skipped, no {name}*.npz in --counts", file=sys.stderr)
            continue
        parts = [np.load(file) for file in files]
        counts = np.hstack([part["counts"] for part in parts])
        yield _data(name, counts[:, :genes], parts[0]["design"], parts[0]["size_factors"])
    stored = jaxnb.datasets.pbmc68k()
    types = pd.get_dummies(stored.labels, drop_first=True).to_numpy(float)
    total = stored.total_counts / stored.total_counts.mean()
    chosen = np.linspace(0, stored.counts.shape[1] - 1, min(genes, 200)).astype(int)
    yield _data("PBMC", stored.counts[:, chosen].toarray(), _with_intercept(types), total)
    yield randhie()
    yield quine()
    counts, obs, _ = bulk(genes, seed=21, share=0.1)
    groups = (obs["condition"] == "B").to_numpy(float)[:, None]
    yield _data("bulk simulation", counts, _with_intercept(groups), np.ones(len(obs)))
    counts, obs, _ = cells(max(genes // 3, 2), count=400, seed=22, groups=3)
    columns = pd.get_dummies(obs[["batch", "group"]], drop_first=True).to_numpy(float)
    depth = obs["depth"].to_numpy()
    yield _data("cell simulation", counts.toarray(), _with_intercept(columns), depth)


def randhie() -> Data:
    """Visits to a doctor (statsmodels), its first 5,000 lines: covariates are continuous."""
    import statsmodels.api as sm

    table = sm.datasets.randhie.load_pandas()
    exog = table.exog.to_numpy(float)[:5000]
    counts = table.endog.to_numpy(np.int32)[:5000, None]
    return _data("randhie", counts, _with_intercept(exog), np.ones(len(counts)))


def quine() -> Data:
    """Days absent from school (R's MASS)."""
    code = (
        "d <- MASS::quine; write.csv(cbind(d$Days, model.matrix(~ Eth + Sex + Age + Lrn, d)), "
        "row.names = FALSE)"
    )
    words = ["Rscript", "-e", code]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    table = np.array([line.split(",") for line in lines[1:]], float)
    return _data("quine", table[:, :1].astype(np.int32), table[:, 1:], np.ones(len(table)))


def _with_intercept(columns: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(columns)), columns])


def _data(name: str, counts: np.ndarray, design: np.ndarray, factors: np.ndarray) -> Data:
    return Data(name, counts[:, counts.sum(axis=0) > 0], design, factors)


def estimates_of_r(sets: list[Data]) -> list[dict[str, Estimates]]:
    """By the R packages, in one run of Rscript: loading them takes longer than most fits."""
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place) / data.name.replace(" ", "_") for data in sets]
        for data, folder in zip(sets, folders, strict=True):
            folder.mkdir()
            for name, table in (
                ("counts", data.counts.T), ("design", data.design),
                ("size_factors", data.size_factors),
            ):  # fmt: skip
                np.savetxt(folder / f"{name}.csv", table, delimiter=",", fmt="%.17g")
        subprocess.run(["Rscript", SCRIPT, *folders], stdout=subprocess.DEVNULL, check=True)
        return [_read(data, folder) for data, folder in zip(sets, folders, strict=True)]


def _read(data: Data, folder: Path) -> dict[str, Estimates]:
    found = {}
    for name in R_METHODS:
        file = folder / f"{name}.csv"
        if file.exists():
            table = np.genfromtxt(file, delimiter=",").reshape(data.counts.shape[1], -1)
            found[name] = Estimates(table[:, :-2], table[:, -2], table[:, -1] == 1)
    return found


def estimates_of_statsmodels(data: Data) -> Estimates:
    import statsmodels.api as sm

    size, genes = data.design.shape[1], data.counts.shape[1]
    found = np.full((genes, size + 1), np.nan)
    converged = np.zeros(genes, bool)
    for gene in range(genes):
        try:
            model = sm.NegativeBinomial(
                data.counts[:, gene], data.design, offset=np.log(data.size_factors)
            )
            fit = model.fit(disp=0, maxiter=500)
            found[gene], converged[gene] = fit.params, fit.mle_retvals["converged"]
        except (np.linalg.LinAlgError, ValueError):
            continue
    return Estimates(found[:, :-1], found[:, -1], converged)


def estimates_of_pydeseq2(data: Data) -> Estimates:
    """Dispersions of every gene by itself, and coefficients at those."""
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.default_inference import DefaultInference

    rows = [f"r{i}" for i in range(len(data.counts))]
    design = pd.DataFrame(data.design, rows, [f"b{i}" for i in range(data.design.shape[1])])
    frame = pd.DataFrame(data.counts, rows, [f"g{j}" for j in range(data.counts.shape[1])])
    found = DeseqDataSet(
        counts=frame, metadata=pd.DataFrame(index=rows), design=design, quiet=True,
        inference=DefaultInference(n_cpus=1),
    )  # fmt: skip
    found.obs["size_factors"] = data.size_factors
    # Without these it would estimate size factors of its own.
    found.layers["normed_counts"] = data.counts / data.size_factors[:, None]
    found.fit_genewise_dispersions()
    alpha = found.var["genewise_dispersions"].to_numpy(float)
    found.var["dispersions"] = alpha
    found.fit_LFC()
    converged = found.var["_LFC_converged"].to_numpy() == 1
    return Estimates(found.varm["LFC"].to_numpy(float), alpha, converged)


IN_PYTHON = {"statsmodels": estimates_of_statsmodels, "pydeseq2": estimates_of_pydeseq2}


def log_likelihoods(data: Data, log_mean: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Of every gene, by one function for all: `log_mean` is (rows, genes)."""
    with jax.enable_x64(True), np.errstate(divide="ignore"):
        values = jaxnb.log_nb_positive(
            data.counts.astype(float), log_mu=np.maximum(log_mean, -1e4), theta=1 / alpha
        )
        return np.asarray(values).sum(axis=0)


def means(data: Data, beta: np.ndarray) -> np.ndarray:
    return np.log(data.size_factors)[:, None] + data.design @ beta.T


def our_means(data: Data, fit: glm.GLMFit, beta: np.ndarray) -> np.ndarray:
    """With rows of mean 0 where a gene is separated, the limit of its coefficients."""
    [(_, problem)] = fit.regression.problems()
    same = (data.design[:, None, :] == problem.data.rows[None]).all(axis=2).argmax(axis=1)
    return np.where(problem.separation.kept[:, same].T, means(data, beta), -1e4)


def adjusted(fit: glm.GLMFit, alpha: np.ndarray) -> np.ndarray:
    """The adjusted profile log-likelihood at any dispersions."""
    [(_, problem)] = fit.regression.problems()
    beta, value, _ = fit.regression.fit_at(alpha)
    genes = np.arange(alpha.size)
    return value + problem.evaluate(genes, alpha, beta, cox_reid=True).adjustment


def compared(data: Data, found: dict[str, Estimates], packages: list[str]) -> Iterator[list[str]]:
    """A line of the table for each package."""
    fits = {
        dispersion: glm.fit(
            data.counts, data.design, size_factors=data.size_factors, dispersion=dispersion
        )
        for dispersion in ("ml", "cox-reid")
    }
    missed = [int((fit.status == "not converged").sum()) for fit in fits.values()]
    print(f"{data.name}: ours not converged: {missed[0]} and {missed[1]}", file=sys.stderr)
    ml = fits["ml"]
    highest = log_likelihoods(data, our_means(data, ml, ml.beta), ml.alpha)
    apart = np.abs(highest - ml.log_likelihoods).max()
    print(f"{data.name}: reported log-likelihoods differ by {apart:.1e}", file=sys.stderr)
    for name, estimate in IN_PYTHON.items():
        if name in packages:
            try:
                found[name] = estimate(data)
            except (ValueError, IndexError, KeyError) as error:
                print(f"{data.name}: {name} failed: {error}", file=sys.stderr)
    for name, label in (ML | COX_REID).items():
        if name not in packages:
            continue
        if name not in found:
            yield [data.name, label, "fails on this data set", "", "", "", "", ""]
            continue
        beta, alpha, converged = found[name]
        usable = np.isfinite(beta).all(axis=1) & np.isfinite(alpha) & (alpha >= 0)
        alpha, beta = np.where(usable, alpha, 0), np.where(usable[:, None], beta, 0)
        theirs = log_likelihoods(data, means(data, beta), alpha)
        failed = f"{np.sum(~(usable & converged))} of {usable.size}"
        if name in ML:
            yield [data.name, label, "maximum", *_deficits((highest - theirs)[usable]), failed]
            continue
        own, _, _ = ml.regression.fit_at(alpha)
        at_theirs = log_likelihoods(data, our_means(data, ml, own), alpha)
        yield [data.name, label, "coefficients", *_deficits((at_theirs - theirs)[usable]), failed]
        fit = fits["cox-reid"]
        below = adjusted(fit, fit.alpha) - adjusted(fit, alpha)
        yield [data.name, label, "dispersions", *_deficits(below[usable]), failed]


def _deficits(below: np.ndarray) -> list[str]:
    if not below.size:
        return ["", "", "", ""]
    return [
        f"{np.mean(below > TOLERANCE):.0%}",
        f"{np.mean(below > 1e-3):.0%}",
        f"{abs(max(below.max(), 0)):.1g}",
        f"{np.sum(below < -TOLERANCE)} ({abs(max(-below.min(), 0)):.0e})",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=Path)
    parser.add_argument("--genes", type=int, default=300)
    parser.add_argument("--only", help="a data set")
    parser.add_argument("--packages", nargs="+", choices=ML | COX_REID, default=[*ML, *COX_REID])
    parser.add_argument("--markdown", type=Path, help="where to write the table, too")
    options = parser.parse_args()
    header = [
        "data", "package", "compared", "below by > 1e-6", "> 1e-3", "most",
        "above by > 1e-6 (most)", "failed or not converged",
    ]  # fmt: skip
    table = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    print(*table, sep="\n")
    warnings.simplefilter("ignore")
    sets = [
        data
        for data in data_sets(options.counts, options.genes)
        if options.only in (None, data.name)
    ]
    in_r = set(options.packages) - set(IN_PYTHON)
    estimates = estimates_of_r(sets) if in_r else [{} for _ in sets]
    for data, found in zip(sets, estimates, strict=True):
        for line in compared(data, found, options.packages):
            table.append("| " + " | ".join(line) + " |")
            print(table[-1], flush=True)
    if options.markdown:
        options.markdown.write_text("\n".join(table) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
