"""The likelihoods and their derivatives against the stored exact values, in both dtypes."""

import pathlib
import sys

import jax
import numpy as np
from setting import Lines, Sizes

import jaxnb

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from reference_values import arguments, errors, exact

FAMILIES = {
    "nb": (jaxnb.log_nb_positive, ("x", "mu", "theta")),
    "zinb": (jaxnb.log_zinb_positive, (None, "mu", "theta", "pi")),
    "mix": (jaxnb.log_mixture_nb, (None, "mu_1", "mu_2", "theta_1", "theta_2", "q")),
}


def run(lines: Lines, sizes: Sizes) -> None:
    """Errors in ulp of max(1, |exact|): the 99th percentile and the largest."""
    for dtype in ("float32", "float64"):
        for family in FAMILIES:
            lines.attempt(f"{family} {dtype}", lambda: _family(lines, family, dtype))  # noqa: B023


def _family(lines: Lines, family: str, dtype: str) -> None:
    function, names = FAMILIES[family]
    wrt = tuple(i for i, name in enumerate(names) if name)
    with jax.enable_x64(dtype == "float64"):
        given = tuple(np.asarray(a) for a in arguments(family, dtype))
        value = jax.jit(function)(*given)
        total = jax.grad(lambda *a: function(*a).sum(), wrt)
        gradients = jax.jit(total)(*given)
    found = {family: value}
    found |= {f"{family}_{names[i]}": g for i, g in zip(wrt, gradients, strict=True)}
    for name, got in found.items():
        # What float32 cannot hold is not asked of it.
        held = np.abs(exact(name)) < np.finfo(dtype).max / 4
        e = errors(name, np.asarray(got))
        ulp, finite = e.ulp[held], not e.not_finite[held].any()
        lines.add(f"{name} {dtype}, 99th percentile", float(np.percentile(ulp, 99)), "ulp")
        lines.add(f"{name} {dtype}, largest", float(np.max(ulp)), "ulp", passed=finite)
