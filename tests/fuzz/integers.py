"""Counts that are integers of any dtype or size, against the same counts as floats.

What is a number of the dtype is passed unchanged, other integers are rounded to the nearest one:
by NumPy here, and for Python's by their remainders.
"""

from functools import cache

import jax
import numpy as np
from fuzz import points
from fuzz.findings import Finding, Report
from registry import CASES, DISTRIBUTIONS

import jaxnb

_UNITS = 16
"""Of eps: two programs round differently."""


@cache
def _functions(name):
    """Of a count and parameters."""
    family = DISTRIBUTIONS[name].family
    attributes = [p.attribute for p in family.parameters]

    def pearson(x, *parameters):
        of = getattr(jaxnb, family.class_name)(**dict(zip(attributes, parameters, strict=True)))
        return of.pearson_residuals(x)

    log_prob = CASES[name].log_prob
    return {
        "log_prob": log_prob, "log_cdf": family.log_cdf, "log_sf": family.log_sf,
        "pearson residual": pearson,
    }  # fmt: skip


def nearest(value, dtype):
    """The number of the dtype next to a Python integer, the even one of two."""
    digits = np.finfo(dtype).nmant + 1
    shift = max(value.bit_length() - digits, 0)
    kept, rest = divmod(value, 1 << shift)
    half = (1 << shift) >> 1
    if shift and (rest > half or (rest == half and kept % 2)):
        kept += 1
    return np.ldexp(np.asarray(kept, dtype), shift)


def drawn(n, seed, most):
    """Integers of up to so many bits, near powers of 2 and ties of the rounding."""
    rng = np.random.default_rng([seed, 61])
    out = []
    for _ in range(n):
        bits = int(rng.integers(1, most + 1))
        value = int(rng.integers(1 << 62)) >> max(62 - bits, 0)
        value <<= max(bits - 62, 0)
        kind = rng.integers(4)
        if kind == 0:
            value = (1 << bits) - int(rng.integers(0, 2))
        if kind == 1 and bits > 26:
            # halfway between two numbers of float32, or just above
            value = ((int(rng.integers(1 << 23, 1 << 24)) * 2 + 1) << (bits - 25)) + int(
                rng.integers(0, 2)
            )
        out.append(min(max(value, 1), (1 << most) - 1))
    return out


_FORMS = {
    "uint8": (8, lambda v: np.array(v, np.uint8)),
    "int32": (31, lambda v: np.array(v, np.int32)),
    "uint32": (32, lambda v: np.array(v, np.uint32)),
    "int64": (63, lambda v: np.array(v, np.int64)),
    "uint64": (64, lambda v: np.array(v, np.uint64)),
    "list": (80, list),
}
"""By name, the most bits of an integer and how they are passed."""


def integers(name, dtype, n, seed):
    """Arrays, lists and single numbers of Python, with x64 or without."""
    case = DISTRIBUTIONS[name]
    _, *parameters = points.drawn(case, dtype, n, seed, "ordinary")
    report = Report(points=n)
    with jax.enable_x64(dtype == "float64"):
        for k, (form, (most, made)) in enumerate(_FORMS.items()):
            counts = drawn(n, seed * len(_FORMS) + k, most)
            floats = np.array([nearest(v, dtype) for v in counts])
            # means of their size, next to which a wrong count is improbable
            shifted = [
                (floats * np.exp(np.random.default_rng(seed).normal(0, 0.3, n))).astype(dtype)
                if points.kind_of(p) == "mean" else v
                for p, v in zip(case.family.parameters, parameters, strict=True)
            ]  # fmt: skip
            for function, of in _functions(name).items():
                got, expected = (np.asarray(of(x, *shifted)) for x in (made(counts), floats))
                _compare(report, f"{name} {function} of {form} {dtype}", counts, got, expected)
        for v, x in list(zip(counts, floats, strict=True))[:4]:
            one = [p[0] for p in parameters]
            got, expected = (np.asarray([case.family.log_sf(c, *one)]) for c in (v, x))
            _compare(report, f"{name} log_sf of an int {dtype}", [v], got, expected)
    return report


def _compare(report, what, counts, got, expected):
    report.numbers += len(counts)
    eps = float(np.finfo(expected.dtype).eps)
    with np.errstate(invalid="ignore"):
        near = np.abs(got - expected) <= _UNITS * eps * np.maximum(1, np.abs(expected))
    right = (near | (got == expected)) & (got.dtype == expected.dtype)
    for i in np.flatnonzero(~right):
        report.findings.append(Finding(what, (counts[i],), got[i], float(expected[i])))
