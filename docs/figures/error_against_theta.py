"""Error of each library against theta: `python docs/figures/error_against_theta.py`.

At every theta, 100 means are spread evenly in logarithm from 0.1 to 100 and one count is drawn for
each. Every library evaluates the log-probability and its derivative in theta in float32 (SciPy, in
float64, the former); the exact ones are computed with mpmath. The largest error of the 100 is
drawn into docs/_static/error_against_theta.png, once more on a dark background, and that of the
derivatives is written to docs/measured/error_against_theta.md. Without scvi-tools its formula is
evaluated by JAX; torch is left out where it is not installed.
"""

import importlib
import pathlib
import sys
from collections.abc import Callable
from typing import NamedTuple

import jax
import matplotlib.pyplot as plt
import mpmath
import numpy as np

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))
import peers  # noqa: E402
from timing import machine  # noqa: E402

THETAS = np.logspace(-2, 10, 73)
COUNTS_PER_THETA = 100
FIGURE = ROOT / "docs" / "_static" / "error_against_theta.png"
TABLE = ROOT / "docs" / "measured" / "error_against_theta.md"
SHOWN = (1e-2, 1e0, 1e1, 1e2, 1e3, 1e4, 1e6, 1e8, 1e10)
# Colors as in the notebooks, and a line of its own for each.
STYLES = {
    "jaxnb": ("#0072B2", "-", 2.6),
    "NumPyro NegativeBinomial2": ("#D55E00", "-", 1.6),
    "scVI and STEP": ("#009E73", "--", 1.6),
    "torch.distributions": ("#CC79A7", "-.", 1.6),
    "SciPy nbinom, in float64": ("#E69F00", ":", 2.0),
}
# On the dark background of the site, where blue has to be lighter.
DARK = {
    "figure.facecolor": "#131416",
    "axes.facecolor": "#131416",
    "savefig.facecolor": "#131416",
    "grid.color": "0.25",
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), "0.85"),
    "axes.edgecolor": "0.85",
}
LIGHTER = {"#0072B2": "#56B4E9"}


class Points(NamedTuple):
    """Arguments and exact values, one row for each theta."""

    x: np.ndarray
    mu: np.ndarray
    theta: np.ndarray
    log_prob: np.ndarray
    derivative: np.ndarray


def points() -> Points:
    """Counts drawn at each theta, with their exact log-probabilities and derivatives."""
    random = np.random.default_rng(0)
    mu = np.broadcast_to(np.logspace(-1, 2, COUNTS_PER_THETA), (len(THETAS), COUNTS_PER_THETA))
    # rounded to float32 first, so that every library is asked the same question
    mu = mu.astype(np.float32).astype(float)
    theta = np.broadcast_to(THETAS.astype(np.float32).astype(float)[:, None], mu.shape)
    x = random.poisson(mu * random.gamma(theta) / theta).astype(float)
    exact = np.array([_exact(*each) for each in zip(x.flat, mu.flat, theta.flat, strict=True)])
    return Points(x, mu, theta, exact[:, 0].reshape(mu.shape), exact[:, 1].reshape(mu.shape))


def _exact(x: float, mu: float, theta: float) -> tuple[float, float]:
    with mpmath.workdps(60):
        x, mu, theta = mpmath.mpf(x), mpmath.mpf(mu), mpmath.mpf(theta)
        log_prob = mpmath.loggamma(x + theta) - mpmath.loggamma(theta) - mpmath.loggamma(x + 1)
        log_prob += theta * mpmath.log(theta / (theta + mu)) + x * mpmath.log(mu / (theta + mu))
        derivative = mpmath.digamma(x + theta) - mpmath.digamma(theta)
        derivative += mpmath.log(theta / (theta + mu)) + (mu - x) / (theta + mu)
        return float(log_prob), float(derivative)


def results(at: Points) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Library -> its log-probabilities and derivatives in theta."""
    formula = peers.jax_peers()["scVI formula in jnp"]["nb"]
    scvi = peers.scvi_torch().get("nb")
    found = {
        "jaxnb": _in_jax(peers.JAXNB["nb"], at),
        "NumPyro NegativeBinomial2": _in_jax(peers.jax_peers()["NumPyro"]["nb"], at),
        "scVI and STEP": _in_torch(scvi, at) if scvi else _in_jax(formula, at),
    }
    if "torch" not in peers.absent():
        found["torch.distributions"] = _in_torch(_torch_distribution, at)
    found["SciPy nbinom, in float64"] = peers.scipy_nb(at.x, at.mu, at.theta), None
    return found


def _in_jax(function: Callable, at: Points) -> tuple[np.ndarray, np.ndarray]:
    x, mu, theta = (a.astype(np.float32) for a in at[:3])
    derivative = jax.grad(lambda theta: function(x, mu, theta).sum())
    return np.asarray(function(x, mu, theta)), np.asarray(derivative(theta))


def _in_torch(function: Callable, at: Points) -> tuple[np.ndarray, np.ndarray]:
    torch = importlib.import_module("torch")
    x, mu, theta = (torch.from_numpy(a.astype(np.float32)) for a in at[:3])
    theta.requires_grad_()
    values = function(x, mu, theta)
    values.sum().backward()
    return values.detach().numpy(), theta.grad.numpy()


def _torch_distribution(x, mu, theta):
    torch = importlib.import_module("torch")
    return torch.distributions.NegativeBinomial(theta, logits=mu.log() - theta.log()).log_prob(x)


def largest_errors(at: Points) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Library -> the largest error at each theta, of the log-probability and of the derivative."""
    errors = {}
    for library, (values, derivatives) in results(at).items():
        error = np.abs(values - at.log_prob) / np.maximum(1, np.abs(at.log_prob))
        relative = (
            None
            if derivatives is None
            else np.abs(derivatives - at.derivative) / np.abs(at.derivative)
        )
        errors[library] = error.max(1), None if relative is None else relative.max(1)
    return errors


def draw(errors: dict[str, tuple[np.ndarray, np.ndarray | None]], *, dark: bool = False) -> None:
    """Both errors against theta."""
    plt.style.use(ROOT / "notebooks" / "jaxnb.mplstyle")
    if dark:
        plt.rcParams.update(DARK)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.6), sharex=True)
    for library, (value, derivative) in errors.items():
        color, line, width = STYLES[library]
        color = LIGHTER.get(color, color) if dark else color
        style = {"color": color, "ls": line, "lw": width, "label": library}
        left.plot(THETAS, value, **style)
        if derivative is not None:
            right.plot(THETAS, derivative, **style)
    eps = float(np.finfo(np.float32).eps)
    left.axhline(eps, color="0.5", lw=0.8)
    _remark(left, "resolution of float32", eps, -4)
    right.axhline(1, color="0.5", lw=0.8)
    _remark(right, "above: no correct digit", 1, 12)
    for axes in (left, right):
        axes.set(xscale="log", yscale="log", xlabel="inverse dispersion θ  (Poisson limit →)")
    left.set(ylabel="error / max(1, |exact value|)", title="log-probability of a count")
    right.set(ylabel="relative error", title="its derivative with respect to θ")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    figure.savefig(FIGURE.with_stem(f"{FIGURE.stem}_dark") if dark else FIGURE)


def _remark(axes: plt.Axes, text: str, height: float, shift: float) -> None:
    style = {"fontsize": 8, "color": "0.5", "va": "top", "textcoords": "offset points"}
    axes.annotate(text, (THETAS[0], height), (0, shift), **style)


def table(errors: dict[str, tuple[np.ndarray, np.ndarray | None]]) -> str:
    """The largest relative errors of the derivative at some thetas."""
    lines = ["| theta |" + "".join(f" {theta:.0e} |" for theta in SHOWN), "|---" * 10 + "|"]
    shown = [np.argmin(abs(np.log(THETAS / theta))) for theta in SHOWN]
    for library, (_, derivative) in errors.items():
        if derivative is not None:
            lines.append(f"| {library} |" + "".join(f" {derivative[i]:.1e} |" for i in shown))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Draw the figures and write the table."""
    errors = largest_errors(points())
    draw(errors)
    draw(errors, dark=True)
    formula = "scvi-tools" if peers.scvi_torch() else "the formula of scVI in jnp"
    head = f"{machine()}, float32, with {formula}."
    TABLE.write_text(f"{head}\n\n{table(errors)}")
    print(TABLE.read_text())


if __name__ == "__main__":
    main()
