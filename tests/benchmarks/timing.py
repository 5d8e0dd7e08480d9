"""Timing fair to every candidate: one process, warmed up, each round calling all of them."""

import os
import platform
import time
from collections.abc import Callable, Mapping

import jax
import numpy as np

Call = Callable[[], object]


def seconds(call: Call) -> float:
    """Wall time of one call, with the wait for its result."""
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def interleaved(
    calls: Mapping[str, Call], *, rounds: int, budget: float = np.inf
) -> dict[str, np.ndarray]:
    """Times of every call; at least three rounds, at most `rounds`, `budget` seconds in all."""
    for call in calls.values():
        seconds(call)
    times, start = [], time.perf_counter()
    while len(times) < rounds and (len(times) < 3 or time.perf_counter() - start < budget):
        times.append([seconds(call) for call in calls.values()])
    return dict(zip(calls, np.array(times).T, strict=True))


def machine() -> str:
    """What was measured, and what on."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as info:
            names = [line.split(":")[1].strip() for line in info if line.startswith("model name")]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    backend = jax.default_backend().upper()
    return f"{cores} cores of {model}, JAX {jax.__version__} on {backend}"
