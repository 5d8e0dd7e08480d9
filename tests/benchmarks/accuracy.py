"""Error of the log-likelihood and its derivatives against other libraries, region by region.

    python tests/benchmarks/accuracy.py [--markdown FILE]

For the values, the error in units of max(1, |exact|) eps; for the derivative in theta, the relative
error, and the share of points where it has the wrong sign. Each cell holds the 99th percentile and
the worst. The points are those of tests/reference, counts that are not whole left out.
"""

import argparse
import importlib
import pathlib
import sys
from collections.abc import Callable

import jax
import numpy as np
import peers

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import reference_values as reference

WHOLE = reference.REGION != "fractional"
Results = dict[str, tuple[np.ndarray, np.ndarray]]


def in_jax(function: Callable, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Values and derivatives in theta of a JAX function."""
    arguments = reference.arguments("nb", dtype, WHOLE)
    derivative = jax.jit(jax.vmap(jax.grad(function, 2)))
    return np.asarray(jax.jit(function)(*arguments)), np.asarray(derivative(*arguments))


def in_torch(function: Callable, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """The same of a torch function."""
    torch = importlib.import_module("torch")
    x, mu, theta = map(torch.from_numpy, reference.arguments("nb", dtype, WHOLE))
    theta.requires_grad_()
    values = function(x, mu, theta)
    values.sum().backward()
    return values.detach().numpy(), theta.grad.numpy()


def results(dtype: np.dtype) -> Results:
    """Library -> values and derivatives in theta at the reference points."""
    found = {"jaxnb": in_jax(lambda *a: peers.JAXNB["nb"](*a, eps=0.0), dtype)}
    for library, functions in peers.jax_peers().items():
        found[library] = in_jax(functions["nb"], dtype)
    for scvi in filter(None, [peers.scvi_torch().get("nb")]):
        found["scVI torch"] = in_torch(scvi, dtype)
    if dtype == np.float64:
        values = peers.scipy_nb(*reference.arguments("nb", dtype, WHOLE))
        found["SciPy"] = values, np.full_like(values, np.nan)
    return found


def table(dtype: np.dtype) -> list[str]:
    """Markdown lines for one dtype."""
    region = reference.REGION[WHOLE]
    lines = [
        f"| {dtype} | region | log-probability, ulp: 99%, worst "
        "| derivative with respect to theta, relative: 99%, worst | wrong sign |",
        "|---|---|---|---|---|",
    ]
    for library, (values, derivatives) in results(dtype).items():
        value_error = reference.errors("nb", values, WHOLE)
        derivative_error = reference.errors("nb_theta", derivatives, WHOLE)
        for name in np.unique(region):
            here = region == name
            cells = [_pair(value_error.ulp[here])]
            if np.isnan(derivatives).all():
                cells += ["-", "-"]
            else:
                share = derivative_error.wrong_sign[here].mean()
                cells += [_pair(derivative_error.relative[here]), f"{share:.0%}"]
            lines.append("| " + " | ".join([library, str(name), *cells]) + " |")
    return lines


def _pair(errors: np.ndarray) -> str:
    errors = np.where(np.isnan(errors), np.inf, errors)
    return f"{reference.percentile_99(errors):.2g}, {reference.worst(errors):.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--markdown", type=pathlib.Path)
    options = parser.parse_args()
    lines = table(np.dtype("float32"))
    with jax.enable_x64(True):
        lines += ["", *table(np.dtype("float64"))]
    for name in peers.absent():
        lines.append(f"\n{name} is not installed: it is left out.")
    print("\n".join(lines))
    if options.markdown:
        options.markdown.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
