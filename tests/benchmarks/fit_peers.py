"""Fits of the same genes by statsmodels, and in R by glmGamPoi and MASS: time and likelihood.

    python tests/benchmarks/fit_peers.py [--file PATH] [--cells 100000] [--genes 5000]
        [--some-genes 8] [--r-genes 200]

jaxnb is given the cells, as the others are, and timed the second time, when it has compiled; R
reads a Matrix Market file, which is not timed. Log-likelihoods are computed here, at the estimates
of each. glm_gp also estimates a mean for every gene; theta.ml is given the Poisson mean, as
sctransform gives it.
"""

import argparse
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import statsmodels.api as sm
from scipy import io, sparse, special
from synthetic import write_matrix

from jaxnb.fit import fit_nb
from jaxnb.io import read_counts

_R = """
suppressMessages(library(Matrix))
arguments <- commandArgs(trailingOnly = TRUE)
counts <- as.matrix(readMM(file.path(arguments[1], "counts.mtx")))
factors <- scan(file.path(arguments[1], "factors.txt"), quiet = TRUE)
storage.mode(counts) <- "double"
# Not to be timed.
invisible(requireNamespace(arguments[2], quietly = TRUE))
began <- proc.time()
if (arguments[2] == "glmGamPoi") {
    fit <- glmGamPoi::glm_gp(counts, design = ~ 1, size_factors = factors,
                             overdispersion_shrinkage = FALSE)
    log_mean <- fit$Beta[, 1]
    theta <- 1 / fit$overdispersions
} else {
    log_mean <- log(rowSums(counts) / sum(factors))
    theta <- sapply(seq_len(nrow(counts)), function(gene) tryCatch(
        suppressWarnings(as.numeric(MASS::theta.ml(
            counts[gene, ], exp(log_mean[gene]) * factors, limit = 50))),
        error = function(problem) NA))
}
used <- proc.time() - began
cat(format(c(used[3], used[1] + used[2]), digits = 6), "\\n")
write.table(data.frame(log_mean, theta), file.path(arguments[1], "estimates.txt"),
            row.names = FALSE, col.names = FALSE)
"""


def log_likelihoods(counts: Any, factors: Any, mean: Any, theta: Any) -> Any:
    """Of every column; NaN where theta is none. 1/theta = 0 is Poisson."""
    found = np.full(mean.size, np.nan)
    for j in np.flatnonzero(theta > 0):
        x = counts[:, [j]].toarray().ravel().astype(int)
        mu, a = mean[j] * factors, 1 / theta[j]
        # Σ log(1 + a·k) over k < x: differences of log-gamma cancel where a is small.
        rising = np.concatenate([[0], np.cumsum(np.log1p(a * np.arange(x.max())))])[x]
        zeros = mu if a == 0 else np.log1p(a * mu) / a
        terms = rising + x * (np.log(mu) - np.log1p(a * mu)) - zeros - special.gammaln(x + 1)
        found[j] = terms.sum()
    return found


def clock() -> Any:
    """Seconds by the clock and of the CPU."""
    return np.array([time.perf_counter(), time.process_time()])


def ours(part: Any, factors: Any) -> tuple[Any, Any]:
    """The fit, and the seconds of the second run."""
    fit_nb(part, factors)
    began = clock()
    fit = fit_nb(part, factors)
    return fit, clock() - began


def say(name: str, seconds: Any, own: Any, deficits: Any) -> None:
    known = deficits[~np.isnan(deficits)]
    print(
        f"{name}, {deficits.size} genes: {seconds[0]:.1f} s ({seconds[1]:.1f} s of CPU), ours "
        f"{own[0]:.2f} ({own[1]:.2f}), ratio {seconds[0] / own[0]:.0f} "
        f"({seconds[1] / own[1]:.0f}); {np.sum(np.isnan(deficits))} failed; log-likelihood below "
        f"ours: median {np.median(known):.1e}, from {known.min():.1e} to {known.max():.1e}",
        flush=True,
    )


def against_statsmodels(part: Any, factors: Any) -> None:
    """`statsmodels.discrete.discrete_model.NegativeBinomial`."""
    fit, own = ours(part, factors)
    began = clock()
    found = []
    for j in range(part.shape[1]):
        x = part[:, [j]].toarray().ravel()
        model = sm.NegativeBinomial(x, np.ones_like(x), exposure=factors)
        found.append(model.fit(disp=False, maxiter=200).llf)
    say("statsmodels", clock() - began, own, fit.log_likelihood - np.array(found))


def against_r(part: Any, factors: Any) -> None:
    """`glmGamPoi::glm_gp` and `MASS::theta.ml`."""
    program = shutil.which("Rscript")
    if program is None:
        print("R is not installed: apt-get install r-base-core r-bioc-glmgampoi r-cran-mass")
        return
    fit, own = ours(part, factors)
    with tempfile.TemporaryDirectory() as folder:
        io.mmwrite(Path(folder) / "counts.mtx", sparse.coo_array(part.T.astype(np.int64)))
        np.savetxt(Path(folder) / "factors.txt", factors)
        script = Path(folder) / "peer.R"
        script.write_text(_R)
        for peer in ("glmGamPoi", "MASS"):
            command = [program, str(script), folder, peer]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{peer}: {done.stderr.strip().splitlines()[-1]}")
                continue
            log_mean, theta = np.genfromtxt(Path(folder) / "estimates.txt", ndmin=2).T
            theirs = log_likelihoods(part, factors, np.exp(log_mean), theta)
            seconds = np.array(done.stdout.split()[-2:], float)
            say(peer, seconds, own, fit.log_likelihood - theirs)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=5000)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--some-genes", type=int, default=8)
    parser.add_argument("--r-genes", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = options.file or Path(folder) / "counts.h5ad"
        if not file.exists():
            write_matrix(file, options.cells, options.genes)
        counts = read_counts(file).counts
    totals = np.asarray(counts.sum(axis=1), np.float64).ravel()
    counts, totals = counts[np.flatnonzero(totals > 0)], totals[totals > 0]
    factors = totals / totals.mean()
    seen = np.flatnonzero(np.asarray(counts.sum(axis=0)).ravel() > 0)

    def some(number: int) -> Any:
        chosen = seen[np.linspace(0, seen.size - 1, min(number, seen.size)).astype(int)]
        return counts[:, chosen]

    against_statsmodels(some(options.some_genes), factors)
    against_r(some(options.r_genes), factors)


if __name__ == "__main__":
    main()
