"""Programs as they are for CUDA and TPU, without the code for CPU. Nothing runs there."""

import re

import jax

DEVICES = ("cuda", "tpu")
# The constants that nothing else has: the first guess of a reciprocal, and 2/3 in float64, as bits.
BITS_ON_CPU = (0x7EF311C3, 0x7FDE6238502484BA, 0x3FE5555555555555)


def lowered(traced, platform):
    """The text of a traced program (`jax.jit(f).trace(...)`) for a platform."""
    return traced.lower(lowering_platforms=(platform,)).as_text()


def data_dependent_conditionals(program):
    """The branches of those that choose between computations.

    A switch on the platform chooses between constants, and then has a single branch.
    """
    found = re.findall(r"stablehlo\.if", program)
    for case in re.finditer(r'"stablehlo\.case"\(%\w+\) \(\{', program):
        branches, depth, start = [], 1, case.end()
        for brace in re.compile(r"[{}]|\)").finditer(program, start):
            depth += {"{": 1, "}": -1, ")": 0}[brace.group()]
            if depth == 0 and brace.group() == ")":
                break
            if brace.group() == "{" and depth == 1:
                start = brace.end()
            if depth == 0:
                branches.append(program[start : brace.start()])
        computes = [b for b in branches if re.search(r"stablehlo\.(?!constant|return)|call", b)]
        if len(branches) > 1 and computes:
            found.append(computes)
    return found


def barriers_on_cpu(program):
    """Those of the predicate of the conditional that materializes; others separate kernels."""
    return re.findall(r"optimization_barrier [^:]*: tensor<i1>$", program, re.MULTILINE)


def check(program, *, draws=False):
    """No conditional on the data or on CPU's barrier, no arithmetic on the bits of float64."""
    assert not data_dependent_conditionals(program)
    assert not barriers_on_cpu(program)
    assert not any(f"dense<{bits}>" in program for bits in BITS_ON_CPU)
    assert not re.search(r"bitcast_convert.*x?[fi]64", program)
    if not draws:
        assert "custom_call" not in program


def check_on_devices(function, arguments, platforms=DEVICES, **options):
    """Trace once, lower for each platform and check."""
    with jax.enable_x64(any(a.dtype == "float64" for a in arguments)):
        traced = jax.jit(function).trace(*arguments)
        for platform in platforms:
            check(lowered(traced, platform), **options)
