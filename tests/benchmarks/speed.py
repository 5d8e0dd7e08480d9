"""Time of the log-likelihoods and their derivatives against other libraries.

    python tests/benchmarks/speed.py [--sizes 512x2000 ...] [--markdown FILE] [--plot FILE]

Prints, for every distribution, task and size, the time per element of jaxnb, that of each peer
divided by it, and that of one `log1p` pass over the same array for comparison. Tasks: the values;
their sum; the sum with its gradient in all parameters; the product of its Hessian with a vector.
Theta is one number per gene. Set OMP_WAIT_POLICY=PASSIVE, because otherwise torch's idle threads
take time from XLA's.
"""

import argparse
import importlib
import pathlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import peers
from timing import Call, interleaved, machine

SIZES = ("128x200", "512x2000", "4096x4000")
TASKS = ("values", "sum", "sum + gradient", "Hessian x vector")
PEERS = ("NumPyro", "scVI formula in jnp", "scVI torch", "scVI torch compiled", "SciPy")


def data(cells: int, genes: int) -> dict[str, tuple[np.ndarray, ...]]:
    """Distribution -> arguments: counts drawn from it, four fifths of them zeros."""
    rng = np.random.default_rng(0)
    theta = rng.gamma(2, 1, genes) + 0.05
    mu = rng.gamma(0.3, 1, genes) * rng.gamma(5, 0.2, (cells, 1)) + 1e-4
    x = rng.poisson(rng.gamma(theta, 1, (cells, genes)) / theta * mu)
    logits = rng.normal(0, 2, (cells, genes))
    mu_2 = mu * np.exp(rng.normal(0, 1, (cells, genes)))
    arrays = {
        "nb": (x, mu, theta),
        "zinb": (x, mu, theta, logits),
        "mixture": (x, mu, mu_2, theta, theta, logits),
    }
    return {name: tuple(a.astype(np.float32) for a in args) for name, args in arrays.items()}


def jax_call(function: Callable, task: str, arguments: tuple[np.ndarray, ...]) -> Call:
    """A compiled JAX function for one task, and its arguments on the device."""
    arguments = tuple(map(jnp.asarray, arguments))
    parameters = tuple(range(1, len(arguments)))

    def total(*args):
        return function(*args).sum()

    def hessian_times_vector(*args):
        gradient = jax.grad(total, parameters)
        moved = args[1:]
        return jax.jvp(lambda *p: gradient(args[0], *p), moved, moved)[1]

    compiled = jax.jit(
        {
            "values": function,
            "sum": total,
            "sum + gradient": jax.value_and_grad(total, parameters),
            "Hessian x vector": hessian_times_vector,
        }[task]
    )
    return lambda: compiled(*arguments)


def torch_call(function: Callable, task: str, arguments: tuple[np.ndarray, ...]) -> Call:
    """The same in torch: values and sum without a graph, the gradient by backward()."""
    torch = importlib.import_module("torch")
    x, *parameters = (torch.from_numpy(a) for a in arguments)
    for parameter in parameters:
        parameter.requires_grad_(task == "sum + gradient")

    def gradient():
        for parameter in parameters:
            parameter.grad = None
        function(x, *parameters).sum().backward()
        return [np.asarray(p.grad) for p in parameters]

    def forward():
        with torch.no_grad():
            values = function(x, *parameters)
            return np.asarray(values.sum() if task == "sum" else values)

    return gradient if task == "sum + gradient" else forward


def calls(name: str, task: str, arguments: tuple[np.ndarray, ...]) -> dict[str, Call]:
    """Every candidate that can do the task."""
    mu = jnp.asarray(arguments[1])
    log1p = jax.jit(jnp.log1p)
    found = {
        "log1p": lambda: log1p(mu),
        "jaxnb": jax_call(peers.JAXNB[name], task, arguments),
    }
    for library, functions in peers.jax_peers().items():
        found[library] = jax_call(functions[name], task, arguments)
    if task != "Hessian x vector":
        for scvi in filter(None, [peers.scvi_torch().get(name)]):
            torch = importlib.import_module("torch")
            found["scVI torch"] = torch_call(scvi, task, arguments)
            found["scVI torch compiled"] = torch_call(torch.compile(scvi), task, arguments)
    if name == "nb" and task == "values" and arguments[0].size < 1e6:
        found["SciPy"] = lambda: peers.scipy_nb(*arguments)
    return found


def measure(sizes: list[str], rounds: int, budget: float) -> list[dict]:
    """One row per distribution, task and size: nanoseconds per element, by candidate."""
    rows = []
    for size in sizes:
        cells, genes = map(int, size.split("x"))
        for name, arguments in data(cells, genes).items():
            for task in TASKS:
                times = interleaved(calls(name, task, arguments), rounds=rounds, budget=budget)
                per_element = {
                    name: float(np.median(t)) / (cells * genes) * 1e9 for name, t in times.items()
                }
                rows.append({"size": size, "name": name, "task": task, "ns": per_element})
                print(line(rows[-1]), flush=True)
    return rows


def line(row: dict) -> str:
    """A row of the table."""
    ns = row["ns"]
    ratios = [f"{ns[p] / ns['jaxnb']:.1f}" if p in ns else "-" for p in PEERS]
    own = [f"{ns['jaxnb']:.2f}", f"{ns['jaxnb'] / ns['log1p']:.1f}"]
    return "| " + " | ".join([row["name"], row["task"], row["size"], *own, *ratios]) + " |"


def header() -> str:
    """The table's head, in Markdown."""
    titles = ["distribution", "task", "cells x genes", "jaxnb, ns", "in log1p passes", *PEERS]
    return "| " + " | ".join(titles) + " |\n" + "|---" * len(titles) + "|"


def draw(rows: list[dict], file: pathlib.Path) -> None:
    """Bars of the peers' time over ours, sum and gradient."""
    pyplot = importlib.import_module("matplotlib.pyplot")
    shown = [r for r in rows if r["task"] == "sum + gradient"]
    figure, axes = pyplot.subplots(figsize=(5, 0.6 * len(shown) + 1), layout="constrained")
    colors = dict(zip(PEERS, ("#d55e00", "#e69f00", "#009e73", "#cc79a7", "#999999"), strict=True))
    names = [p for p in PEERS if any(p in r["ns"] for r in shown)]
    for k, name in enumerate(names):
        at = [n + (k - (len(names) - 1) / 2) / (len(names) + 1) for n in range(len(shown))]
        widths = [r["ns"].get(name, np.nan) / r["ns"]["jaxnb"] for r in shown]
        over = [width - 1 for width in widths]
        bars = axes.barh(at, over, 0.9 / (len(names) + 1), left=1, color=colors[name], label=name)
        labels = ["" if np.isnan(width) else f"{width:.1f}" for width in widths]
        axes.bar_label(bars, labels, padding=3, fontsize=8)
    sizes = [f"{r['name']}, {r['size'].replace('x', ' × ')}" for r in shown]
    axes.set_yticks(range(len(shown)), sizes)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.set_xlim(min(1.0, axes.dataLim.x0), 1.4 * axes.dataLim.x1)
    axes.set_xticks([1, 2, 5, 10, 20])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("time of sum + gradient, divided by jaxnb's")
    figure.legend(frameon=False, loc="outside upper center", ncols=2)
    figure.savefig(file, dpi=150)


def short(rows: list[dict]) -> str:
    """The peers' times over ours for the sum and its gradient at the middle size, as a table."""
    names = [p for p in PEERS if p != "SciPy"]
    lines = [f"| distribution | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for row in rows:
        if (row["task"], row["size"]) == ("sum + gradient", SIZES[1]):
            ratios = [f"{row['ns'][p] / row['ns']['jaxnb']:.1f}" for p in names if p in row["ns"]]
            lines.append(f"| {row['name']} | {' | '.join(ratios)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="CELLSxGENES")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--budget", type=float, default=20, help="seconds for each row")
    parser.add_argument("--markdown", type=pathlib.Path)
    parser.add_argument("--plot", type=pathlib.Path)
    options = parser.parse_args()
    print(f"{machine()}; float32; medians")
    for name in peers.absent():
        print(f"{name} is not installed: its columns are left out")
    print(header())
    rows = measure(options.sizes, options.rounds, options.budget)
    if options.markdown:
        table = "\n".join([header(), *map(line, rows)])
        options.markdown.write_text(f"{machine()}, float32, medians.\n\n{table}\n")
        options.markdown.with_stem(f"{options.markdown.stem}_short").write_text(short(rows))
    if options.plot:
        draw(rows, options.plot)


if __name__ == "__main__":
    main()
