"""The device, the sizes that suit it, and the lines of the report."""

import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import torch


class Sizes(NamedTuple):
    """How much is computed.

    Attributes:
        cells, genes: of the matrices that are timed.
        draws: for each goodness of fit.
        rounds: of alternated timings.
        repeats: calls in each round, enqueued without a wait in between.
        steps: of training.
    """

    cells: int
    genes: int
    draws: int
    rounds: int
    repeats: int
    steps: int


GPU = Sizes(4096, 4000, 2_000_000, 20, 10, 1000)
CPU = Sizes(256, 1000, 200_000, 5, 1, 50)
TINY = Sizes(8, 16, 20_000, 2, 1, 4)


def on_gpu() -> bool:
    """Whether JAX and torch both compute on a GPU."""
    return jax.default_backend() == "gpu" and torch.cuda.is_available()


def torch_device() -> torch.device:
    """Where torch's tensors are to be."""
    return torch.device("cuda" if on_gpu() else "cpu")


def device_name() -> str:
    """What stands in every line."""
    if jax.default_backend() != "cpu":
        return str(jax.devices()[0].device_kind)
    name = "CPU"
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as info:
            names = [line.split(":")[1].strip() for line in info if line.startswith("model name")]
        name = f"{names[0]} (CPU)" if names else name
    return name


class Lines:
    """Lines of the report, written as they are found, so that a crash loses none."""

    def __init__(self, path: str, section: str) -> None:
        self._path, self._section, self._device = path, section, device_name()

    def add(self, what: str, value: Any, unit: str = "", *, passed: bool | None = None) -> None:
        """One line; `passed` where there is something to pass."""
        line = {
            "device": self._device,
            "section": self._section,
            "what": what,
            "value": value.item() if isinstance(value, np.generic) else value,
            "unit": unit,
            "passed": None if passed is None else bool(passed),
        }
        with open(self._path, "a") as file:
            file.write(json.dumps(line) + "\n")

    def attempt(self, what: str, check: Callable[[], Any]) -> Any:
        """The result of a check; a failure becomes a line, and None is returned."""
        try:
            return check()
        except Exception as error:
            text = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            self.add(what, text[:300], passed=False)
            return None


def wait() -> None:
    """Until torch's device has done everything; JAX's results are waited for by themselves."""
    if on_gpu():
        torch.cuda.synchronize()


def finished(result: Any) -> None:
    """Wait for a result of JAX or torch."""
    arrays = [leaf for leaf in jax.tree.leaves(result) if isinstance(leaf, jax.Array)]
    jax.block_until_ready(arrays)
    wait()


def alternated(
    calls: Mapping[str, Callable[[], Any]], sizes: Sizes, lines: Lines
) -> dict[str, float]:
    """Median seconds per call of each, in turns after a warm-up; what fails is left out."""
    ready = {}
    for name, call in calls.items():

        def warm_up(call: Callable[[], Any] = call) -> bool:
            for _ in range(3):
                finished(call())
            return True

        if lines.attempt(f"{name}: first call", warm_up):
            ready[name] = call
    times: dict[str, list[float]] = {name: [] for name in ready}
    for _ in range(sizes.rounds):
        for name, call in ready.items():
            start = time.perf_counter()
            for _ in range(sizes.repeats):
                result = call()
            finished(result)
            times[name].append((time.perf_counter() - start) / sizes.repeats)
    return {name: float(np.median(found)) for name, found in times.items()}


def counts(sizes: Sizes, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts as in single cells, most of them zero, with their means and a theta per gene."""
    generator = np.random.default_rng(seed)
    mu = generator.gamma(0.3, 1.5, (sizes.cells, sizes.genes)).astype(np.float32) + 1e-6
    theta = generator.gamma(2.0, 1.0, sizes.genes).astype(np.float32) + 0.1
    x = generator.poisson(mu * generator.gamma(theta, 1 / theta, mu.shape))
    return x.astype(np.float32), mu, theta
