"""Time and memory of the torch bridge against scvi-tools' own torch code.

    OMP_WAIT_POLICY=PASSIVE python tests/benchmarks/bridge.py [--parts calls epochs memory]

Needs torch and scvi-tools, as in the environment of `tests/torch_bridge/with_scvi.sh`. Prints, for
every distribution and size, the time of the value, its sum and `backward()`; the times of epochs
of SCVI with and without `patch_scvi`, the first, which compiles, separately; and the memory that
300 training steps leave allocated. Theta is one number per gene; the mixture has one theta for
both components.
"""

import argparse
import gc
import logging
import os
import pathlib
import resource
import sys
import time
import warnings

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported

import anndata
import jax
import numpy as np
import scvi
import torch
from lightning.pytorch.callbacks import Callback
from scvi.distributions import _negative_binomial as original
from speed import data
from timing import Call, interleaved, machine

from jaxnb import torch_bridge
from jaxnb.torch_bridge.programs import partials

SIZES = ("1x1", "128x80", "128x2000", "512x2000")
TITLES = {
    "calls": "Forward, sum and backward: median and minimum times.",
    "epochs": "Epochs of SCVI, 2,000 genes, batches of 128:",
    "memory": "Memory left allocated by training steps, 2,000 genes:",
}
FUNCTIONS = {"nb": "log_nb_positive", "zinb": "log_zinb_positive", "mixture": "log_mixture_nb"}


def step(function: Call, likelihood: str, arguments: tuple[np.ndarray, ...]) -> Call:
    """Value, sum and backward, to gradients in all parameters."""
    x, *parameters = (torch.from_numpy(a.copy()) for a in arguments)
    if likelihood == "mixture":
        parameters[3] = None  # the second theta: that of the first component
    given = [p.requires_grad_() for p in parameters if p is not None]

    def call() -> list[torch.Tensor]:
        for parameter in given:
            parameter.grad = None
        function(x, *parameters).sum().backward()
        return [p.grad.numpy() for p in given]

    return call


def calls(sizes: list[str], rounds: int, budget: float) -> list[str]:
    """A table of the times per call: medians, then least times."""
    rows = [
        "| distribution | cells x genes | scVI, ms | bridge, ms | ratio "
        "| minimum: scVI | bridge | ratio |"
    ]
    rows.append("|---" * 8 + "|")
    for size in sizes:
        cells, genes = map(int, size.split("x"))
        for likelihood, arguments in data(cells, genes).items():
            candidates = {
                name: step(getattr(module, FUNCTIONS[likelihood]), likelihood, arguments)
                for name, module in (("scVI", original), ("bridge", torch_bridge))
            }
            many = rounds * 20 if cells * genes < 1000 else rounds
            times = interleaved(candidates, rounds=many, budget=budget)
            cells_of_row = [likelihood, size]
            for measure in (np.median, np.min):
                theirs, ours = (1e3 * measure(times[name]) for name in ("scVI", "bridge"))
                cells_of_row += [f"{theirs:.3f}", f"{ours:.3f}", f"{ours / theirs:.2f}"]
            rows.append("| " + " | ".join(cells_of_row) + " |")
            print(rows[-1], flush=True)
    return rows


class Clock(Callback):
    """Seconds of every training epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_epoch_start(self, *_: object) -> None:
        self._start = time.perf_counter()

    def on_train_epoch_end(self, *_: object) -> None:
        self.seconds.append(time.perf_counter() - self._start)


def counts(cells: int, genes: int) -> anndata.AnnData:
    """Counts drawn from a negative binomial distribution, in two batches."""
    x = data(cells, genes)["nb"][0]
    batch = np.where(np.arange(cells) % 2, "odd", "even")
    table = anndata.AnnData(x, obs={"batch": batch})
    scvi.model.SCVI.setup_anndata(table, batch_key="batch")
    return table


def train(table: anndata.AnnData, likelihood: str, epochs: int) -> list[float]:
    """The epochs' seconds of a new model."""
    scvi.settings.seed = 0
    clock = Clock()
    model = scvi.model.SCVI(table, gene_likelihood=likelihood)
    quiet = {"enable_progress_bar": False, "logger": False, "enable_model_summary": False}
    model.train(epochs, accelerator="cpu", batch_size=128, callbacks=[clock], **quiet)
    return clock.seconds


def epochs(table: anndata.AnnData, number: int) -> list[str]:
    """A table of the times per epoch; original and patched in turns, each twice."""
    rows = [
        "| distribution | | first epoch, s | median of the others | minimum |",
        "|---|---|---|---|---|",
    ]
    for likelihood in ("nb", "zinb"):
        train(table, likelihood, 1)  # what torch and lightning set up once
        partials.cache_clear()
        jax.clear_caches()
        seconds: dict[str, list[list[float]]] = {"original": [], "patched": []}
        for _ in range(2):
            seconds["original"].append(train(table, likelihood, number))
            with torch_bridge.patch_scvi():
                seconds["patched"].append(train(table, likelihood, number))
        for name, runs in seconds.items():
            later = np.concatenate([run[1:] for run in runs])
            figures = [runs[0][0], np.median(later), later.min()]
            rows.append(
                f"| {likelihood} | {name} | " + " | ".join(f"{f:.3f}" for f in figures) + " |"
            )
            print(rows[-1], flush=True)
    return rows


def resident() -> float:
    """Memory of this process, MB."""
    if sys.platform == "linux":
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


PROGRAMS = (("log_zinb_positive", ((0, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0))),)


def memory(steps: int) -> list[str]:
    """Memory left allocated by training steps, at one batch size and at many."""
    rows = ["| batch sizes | steps | growth of memory, MB | live JAX arrays | programs compiled |"]
    rows.append("|---" * 5 + "|")
    arguments = [torch.from_numpy(a) for a in data(steps, 2000)["zinb"]]
    weights = torch.zeros(2000, requires_grad=True)
    optimizer = torch.optim.Adam([weights])

    def train_on(cells: int) -> None:
        x, mu, _, logits = (a[:cells] for a in arguments)
        optimizer.zero_grad()
        theta = weights.exp()
        log_prob = torch_bridge.log_zinb_positive(x, mu * theta, theta, logits)
        (-log_prob.mean()).backward()
        optimizer.step()

    def after(title: str, sizes: list[int]) -> None:
        before = resident()
        for size in sizes:
            train_on(size)
        programs = sum(partials(*program)._cache_size() for program in PROGRAMS)
        growth = resident() - before
        optimizer.zero_grad()
        gc.collect()  # JAX lets go of what torch has freed a little later
        figures = [f"{growth:.1f}", str(len(jax.live_arrays())), str(programs)]
        rows.append(f"| {title} | {len(sizes)} | " + " | ".join(figures) + " |")
        print(rows[-1], flush=True)

    for function in (partials(*program) for program in PROGRAMS):
        function.clear_cache()
    varying = np.random.default_rng(0).permutation(np.arange(1, steps + 1)).tolist()
    after("128, warm-up", [128] * 30)
    after("128", [128] * steps)
    after(f"1 to {steps}, each once", varying)
    after("the same sizes again", varying)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", default=("calls", "epochs", "memory"))
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="CELLSxGENES")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--budget", type=float, default=30, help="seconds for each row")
    parser.add_argument("--cells", type=int, default=2560, help="of the epochs")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--markdown", type=pathlib.Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    load = os.getloadavg()[0]
    about = (
        f"{machine()}, torch {torch.__version__}, scvi-tools {scvi.__version__}, "
        f"load average {load:.1f}"
    )
    print(about)
    parts = {
        "calls": lambda: calls(options.sizes, options.rounds, options.budget),
        "epochs": lambda: epochs(counts(options.cells, 2000), options.epochs),
        "memory": lambda: memory(300),
    }
    tables = []
    for part in options.parts:
        print(TITLES[part])
        tables.append("\n".join([f"{TITLES[part]}\n", *parts[part]()]))
    if options.markdown:
        options.markdown.write_text("\n\n".join([about, *tables]) + "\n")


if __name__ == "__main__":
    main()
