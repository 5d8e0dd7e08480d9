"""Where scvi-tools' distributions and jaxnb's return different things, as a table.

    python docs/figures/scvi_differences.py [--markdown docs/measured/scvi_differences.md]

Needs torch and scvi-tools. Every row calls both libraries with the same arguments, in float32.
"""

import argparse
import math
import pathlib
import warnings
from collections.abc import Callable
from importlib.metadata import version

import jax
import jax.numpy as jnp
import scvi.distributions as theirs
import torch

import jaxnb

Row = tuple[str, Callable[[], object], Callable[[], object], str]


def _log_nb(x: float, mu: float, theta: float) -> tuple[Callable, Callable]:
    def of_scvi():
        mean, dispersion = torch.tensor([[mu]]), torch.tensor([[theta]])
        return theirs.NegativeBinomial(mu=mean, theta=dispersion).log_prob(torch.tensor([[x]]))

    return of_scvi, lambda: jaxnb.NegativeBinomial(mu=mu, theta=theta).log_prob(x)


def _log_zinb(x: float, mu: float, theta: float, zi: float) -> tuple[Callable, Callable]:
    def of_scvi():
        arguments = [torch.tensor([[a]]) for a in (mu, theta, zi)]
        names = ("mu", "theta", "zi_logits")
        distribution = theirs.ZeroInflatedNegativeBinomial(
            **dict(zip(names, arguments, strict=True))
        )
        return distribution.log_prob(torch.tensor([[x]]))

    distribution = jaxnb.ZeroInflatedNegativeBinomial
    return of_scvi, lambda: distribution(mu=mu, theta=theta, zi_logits=zi).log_prob(x)


def _derivative(x: float, mu: float, theta: float) -> tuple[Callable, Callable]:
    def of_scvi():
        dispersion = torch.tensor([[theta]], requires_grad=True)
        distribution = theirs.NegativeBinomial(mu=torch.tensor([[mu]]), theta=dispersion)
        distribution.log_prob(torch.tensor([[x]])).sum().backward()
        return dispersion.grad

    return of_scvi, lambda: jax.grad(jaxnb.log_nb_positive, 2)(x, mu, theta)


def _mixture_of_scvi() -> theirs.NegativeBinomialMixture:
    one = torch.ones(())
    return theirs.NegativeBinomialMixture(one, 1000 * one, one, 0 * one)


def _drawn_from_mixture() -> tuple[Callable, Callable]:
    def of_jaxnb():
        distribution = jaxnb.NegativeBinomialMixture(1.0, 1000.0, 1.0, 0.0)
        return distribution.sample(jax.random.key(0), (100_000,)).mean()

    return lambda: _mixture_of_scvi().sample((100_000,)).mean(), of_jaxnb


def _with_probs() -> tuple[Callable, Callable]:
    def of_scvi():
        return theirs.NegativeBinomial(torch.tensor([4.0]), probs=torch.tensor([0.3])).mean

    return of_scvi, lambda: jaxnb.NegativeBinomial(4.0, probs=0.3).mean


def _batch_shape() -> tuple[Callable, Callable]:
    def of_scvi():
        return tuple(theirs.NegativeBinomial(mu=torch.ones(3, 2), theta=torch.ones(2)).batch_shape)

    return (
        of_scvi,
        lambda: jaxnb.NegativeBinomial(mu=jnp.ones((3, 2)), theta=jnp.ones(2)).batch_shape,
    )


def _huge_draws() -> tuple[Callable, Callable]:
    def of_scvi():
        distribution = theirs.NegativeBinomial(mu=torch.tensor([1e9]), theta=torch.tensor([10.0]))
        return distribution.sample((100_000,)).mean()

    def of_jaxnb():
        draws = jaxnb.random.negative_binomial(jax.random.key(0), 1e9, 10.0, (100_000,), "float32")
        return draws.mean()

    return of_scvi, of_jaxnb


def rows() -> list[Row]:
    """What is asked, scvi-tools' answer, jaxnb's, and the right one."""
    return [
        ("NB, log-probability: x = 1, mu = 1e-8, theta = 1", *_log_nb(1, 1e-8, 1.0), "-18.42"),
        ("the same: x = 7, mu = 5, theta = 1e7", *_log_nb(7.0, 5.0, 1e7), "-2.259"),
        ("its derivative with respect to theta", *_derivative(7.0, 5.0, 1e7), "1.5e-14"),
        ("NB, log-probability: x = 0, mu = 1, theta = 0", *_log_nb(0.0, 1.0, 0.0), "0"),
        ("the same: theta = inf, x = 7, mu = 5", *_log_nb(7.0, 5.0, math.inf), "-2.259"),
        ("ZINB, log-probability: x = 3, zi_logits = -inf", *_log_zinb(3, 2.0, 1.0, -math.inf),
         "-2.315"),
        ("the same: x = 0, zi_logits = 0, mu = inf", *_log_zinb(0, math.inf, 1.0, 0.0), "-0.6931"),
        ("the same: x = -1", *_log_zinb(-1.0, 2.0, 1.0, 0.0), "-inf"),
        ("mean of total_count = 4, probs = 0.3", *_with_probs(), "1.714"),
        ("batch_shape of mu (3, 2) with theta (2,)", *_batch_shape(), "(3, 2)"),
        ("mean of 100,000 draws, mu = 1e9, theta = 10", *_huge_draws(), "1e+09"),
        ("mean of 100,000 draws, mixture of means 1 and 1000", *_drawn_from_mixture(), "500.5"),
        ("variance of that mixture", lambda: _mixture_of_scvi().variance,
         lambda: jaxnb.NegativeBinomialMixture(1.0, 1000.0, 1.0, 0.0).variance, "7.5e+05"),
    ]  # fmt: skip


def _shown(ask: Callable[[], object]) -> str:
    try:
        answer = ask()
    except Exception as error:
        return type(error).__name__
    return str(answer) if isinstance(answer, tuple) else f"{float(answer):.4g}"


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--markdown", type=pathlib.Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    lines = [
        f"| expression, in float32 | scvi-tools {version('scvi-tools')} | jaxnb | exact |",
        "|---|---|---|---|",
    ]
    for question, scvi_tools, own, exact in rows():
        lines.append(f"| {question} | {_shown(scvi_tools)} | {_shown(own)} | {exact} |")
    print("\n".join(lines))
    if options.markdown:
        options.markdown.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
