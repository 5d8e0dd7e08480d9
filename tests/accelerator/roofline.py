"""Operations and bytes of an element, and what they allow: `python tests/accelerator/roofline.py`.

The programs are lowered for CUDA, and nothing runs. The operations are those of the program before
the compiler has joined what occurs twice, so that they are an upper bound; a comparison or a
selection counts as one. The bytes are those of the arguments and results of one fused kernel.
"""

import argparse
import inspect

import jax
import jax.numpy as jnp

import jaxnb

CELLS, GENES = 4096, 4000
# So few draws are made without the queue of those left over, whose cumulative sum is counted as a
# quadratic number of additions.
FEW = (8, 100)
# An H100: bytes a second as an addition of arrays reaches them, and instructions a second (132
# multiprocessors of 128 lanes at 1.98 GHz), a fused multiply-add being one.
BANDWIDTH, INSTRUCTIONS = 3.0e12, 132 * 128 * 1.98e9

LIKELIHOODS = {
    "NB": (jaxnb.log_nb_positive, "mg"),
    "ZINB": (jaxnb.log_zinb_positive, "mgm"),
    "mixture": (jaxnb.log_mixture_nb, "mmggm"),
}


def shapes(kinds: str) -> list[jax.ShapeDtypeStruct]:
    """A matrix for each m, one number per gene for each g."""
    of = {"m": (CELLS, GENES), "g": (GENES,)}
    return [jax.ShapeDtypeStruct(of[kind], "float32") for kind in kinds]


def rows() -> list[tuple[str, object, list[jax.ShapeDtypeStruct], int]]:
    """Name, program, arguments, and matrices that it reads and writes."""
    found: list = []
    for name, (function, kinds) in LIKELIHOODS.items():
        given = shapes("m" + kinds)
        wrt = tuple(range(1, len(given)))
        total = lambda *a, f=function: f(*a).sum()  # noqa: E731
        matrices = 1 + kinds.count("m")
        found.append((f"{name}: value, summed", total, given, matrices))
        gradient = jax.value_and_grad(total, wrt)
        found.append((f"{name}: value and gradient, summed", gradient, given, 2 * matrices - 1))
    key = jax.eval_shape(lambda: jax.random.key(0))
    few = [jax.ShapeDtypeStruct(FEW, "float32")] * 2

    def draw(key, mu, theta):
        return jaxnb.random.negative_binomial(key, mu, theta, dtype=jnp.float32)

    found.append(("NB: draws, one try of each", draw, [key, *few], 2))
    return found


def operations(program, given: list[jax.ShapeDtypeStruct]) -> tuple[float, float]:
    """Additions and the like, and exponentials and the like, of an element."""
    cost = jax.jit(program).trace(*given).lower(lowering_platforms=("cuda",)).cost_analysis()
    elements = given[-1].size if given[-1].shape == FEW else CELLS * GENES
    return cost["flops"] / elements, cost["transcendentals"] / elements


def main() -> None:
    """The table."""
    argparse.ArgumentParser(description=inspect.getdoc(inspect.getmodule(main))).parse_args()
    elements = CELLS * GENES
    print(
        f"{CELLS} x {GENES}, float32, theta per gene, lowered for CUDA by JAX {jax.__version__}\n"
    )
    print(
        "| program | operations | log, exp, … | bytes | µs of memory | µs of arithmetic, at most |"
    )
    print("|---|---|---|---|---|---|")
    for name, program, given, matrices in rows():
        plain, special = operations(program, given)
        traffic = 4 * matrices
        memory = traffic * elements / BANDWIDTH * 1e6
        # a logarithm or an exponential: about 20 instructions
        arithmetic = (plain + 20 * special) * elements / INSTRUCTIONS * 1e6
        numbers = (plain, special, traffic, memory, arithmetic)
        print(f"| {name} |" + "".join(f" {number:.0f} |" for number in numbers))


if __name__ == "__main__":
    main()
