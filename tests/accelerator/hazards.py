"""What may go wrong where torch and JAX share memory: streams, freed and overwritten tensors."""

import time

import numpy as np
import torch
from setting import Lines, Sizes, on_gpu, torch_device, wait

from jaxnb import torch_bridge as bridge


def run(lines: Lines, sizes: Sizes) -> None:
    """Each hazard in turn; those of streams on a GPU alone."""
    large = _filled(sizes)
    checks = {
        "inputs overwritten after the call": overwritten,
        "inputs freed after the call": freed,
        "results dropped while they are read": dropped,
    }
    on_streams = {
        "a stream that still writes an input": late_input,
        "two streams": two_streams,
        "no wait on the host": no_wait,
        "torch's synchronization check": no_synchronization,
        "capture in a CUDA graph is refused": capture,
        "a device that is not the current one": other_device,
    }
    for what, check in checks.items():
        _line(lines, what, lambda: check(large))  # noqa: B023
    for what, check in on_streams.items():
        if on_gpu():
            _line(lines, what, lambda: check(large))  # noqa: B023
        else:
            lines.add(what, "not run: needs a GPU")


def _line(lines: Lines, what: str, check) -> None:
    right = lines.attempt(what, check)
    if isinstance(right, str):
        lines.add(what, right)
    elif right is not None:
        lines.add(what, "right" if right else "WRONG", passed=bool(right))


def _filled(sizes: Sizes):
    def large(value: float, device=None) -> torch.Tensor:
        return torch.full((sizes.cells, sizes.genes), value, device=device or torch_device())

    return large


def _expected(mu: float = 2.0) -> float:
    mean, theta = np.float64(mu), 3.0  # of one count
    return float(
        np.log(theta) + theta * np.log(theta / (theta + mean)) + np.log(mean / (theta + mean))
    )


def _is(value: torch.Tensor, mu: float = 2.0) -> bool:
    return bool(((value - _expected(mu)).abs() < 1e-5).all())


def overwritten(large) -> bool:
    """The result is that of the inputs as they were at the call."""
    right = True
    for _ in range(20):
        x, mu = large(1.0), large(2.0)
        value = bridge.log_nb_positive(x, mu, 3.0)
        x.fill_(torch.nan)
        mu.fill_(torch.nan)
        right &= _is(value)
    return right


def freed(large) -> bool:
    """Memory that torch gives to another tensor at once."""
    right = True
    for _ in range(20):
        x, mu = large(1.0), large(2.0)
        value = bridge.log_nb_positive(x, mu, 3.0)
        del x, mu
        others = [large(torch.nan), large(torch.nan)]
        right &= _is(value)
        del others
    return right


def dropped(large) -> bool:
    """Memory that JAX may give to another result while torch reads it."""
    sums = []
    for turn in range(20):
        value = bridge.log_nb_positive(large(1.0), large(2.0 + turn % 2), 3.0)
        if on_gpu():
            torch.cuda._sleep(1_000_000)
        sums.append(value.mean())
        del value
    return all(abs(float(s) - _expected(2.0 + i % 2)) < 1e-4 for i, s in enumerate(sums))


def late_input(large) -> bool:
    """JAX waits for the stream that writes."""
    stream, mu = torch.cuda.Stream(), large(torch.nan)
    wait()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(100_000_000)
        mu.fill_(2.0)
        value = bridge.log_nb_positive(torch.ones_like(mu), mu, 3.0)
    stream.synchronize()
    return _is(value)


def two_streams(large) -> bool:
    """Calls from two streams, whose results are read late."""
    streams = [torch.cuda.Stream() for _ in range(2)]
    sums: list[list[torch.Tensor]] = [[], []]
    for turn in range(30):
        for place, stream in enumerate(streams):
            with torch.cuda.stream(stream):
                value = bridge.log_nb_positive(large(1.0), large(2.0 + place), 3.0)
                torch.cuda._sleep(1_000_000 * (turn % 3))
                sums[place].append(value.mean())
                del value
    wait()
    return all(abs(float(s) - _expected(2.0 + p)) < 1e-4 for p in (0, 1) for s in sums[p])


def _busy_call(large) -> bool:
    """Whether a call returns while the device is still busy with what came before."""
    x, mu = large(1.0), large(2.0).requires_grad_()
    bridge.log_nb_positive(x, mu, 3.0).sum().backward()
    wait()
    end = torch.cuda.Event()
    torch.cuda._sleep(2_000_000_000)  # about a second
    start = time.perf_counter()
    bridge.log_nb_positive(x, mu, 3.0).sum().backward()
    took = time.perf_counter() - start
    end.record()
    busy = not end.query()
    end.synchronize()
    return busy and took < 0.5


def no_wait(large) -> bool:
    """The host runs ahead of a device that is busy for a second."""
    return _busy_call(large)


def no_synchronization(large) -> bool:
    """As torch itself reports it, by an error at any synchronizing call of its own."""
    x, mu = large(1.0), large(2.0).requires_grad_()
    bridge.log_nb_positive(x, mu, 3.0).sum().backward()
    torch.cuda.set_sync_debug_mode("error")
    try:
        bridge.log_nb_positive(x, mu, 3.0).sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return True


def capture(large) -> bool:
    """By an error that names CUDA graphs."""
    mu = large(2.0)
    bridge.log_nb_positive(mu, mu, 3.0)
    try:
        with torch.cuda.graph(torch.cuda.CUDAGraph()):
            bridge.log_nb_positive(mu, mu, 3.0)
    except RuntimeError as error:
        return "CUDA graph" in str(error)
    return False


def other_device(large) -> bool | str:
    """The result is on the device of the inputs."""
    if torch.cuda.device_count() < 2:
        return "not run: one GPU"
    mu = large(2.0, "cuda:1")
    value = bridge.log_nb_positive(torch.ones_like(mu), mu, 3.0)
    return value.device == mu.device and torch.cuda.current_device() == 0 and _is(value)
