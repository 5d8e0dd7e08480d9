"""The bridge's time on the host, and a small autoencoder in torch trained through it."""

import gc
import resource
import time

import jax
import numpy as np
import peers
import torch
from setting import Lines, Sizes, counts, on_gpu, torch_device, wait

from jaxnb import torch_bridge as bridge

HIDDEN = 64


def run(lines: Lines, sizes: Sizes) -> None:
    """Host time of a call, memory over the steps, and the loss against torch's own formula."""
    lines.attempt("host time of a call", lambda: host_time(lines, sizes))
    lines.attempt("training", lambda: train(lines, sizes))


def host_time(lines: Lines, sizes: Sizes) -> None:
    """On a small matrix, so that the device keeps up and only the host counts."""
    x = torch.ones(64, 64, device=torch_device())
    mu = torch.full_like(x, 2.0)
    calls = {"bridge": bridge.log_nb_positive, "torch eager": peers.log_nb}
    theta = torch.full((64,), 3.0, device=x.device)
    medians = {}
    for name, function in calls.items():
        times = []
        for _ in range(20 * sizes.rounds):
            start = time.perf_counter()
            function(x, mu, theta)
            times.append(time.perf_counter() - start)
            wait()
        medians[name] = float(np.median(times)) * 1e6
        lines.add(f"host time of a call, {name}", medians[name], "us")
    added = medians["bridge"] - medians["torch eager"]
    # Off a GPU a call contains its computation, and the limit does not apply.
    lines.add("host time added to torch's", added, "us", passed=added <= 60 if on_gpu() else None)


class Autoencoder(torch.nn.Module):
    """Counts to means and back, with a theta per gene."""

    def __init__(self, genes: int) -> None:
        super().__init__()
        self.encoder = torch.nn.Linear(genes, 2 * HIDDEN)
        self.decoder = torch.nn.Linear(HIDDEN, genes)
        self.log_theta = torch.nn.Parameter(torch.zeros(genes))

    def loss(self, x: torch.Tensor, log_likelihood) -> torch.Tensor:
        """Without the Kullback-Leibler term, which needs no count likelihood."""
        location, log_scale = self.encoder(torch.log1p(x)).chunk(2, dim=-1)
        z = location + torch.exp(log_scale.clamp(-5, 2)) * torch.randn_like(location)
        share = torch.softmax(self.decoder(z), dim=-1)
        mu = share * x.sum(-1, keepdim=True).clamp(min=1.0)
        return -log_likelihood(x, mu, torch.exp(self.log_theta)).mean()


def memory() -> float:
    """Megabytes: what torch holds of the device, or the largest size of the process."""
    gc.collect()
    if on_gpu():
        return torch.cuda.memory_reserved() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def train(lines: Lines, sizes: Sizes) -> None:
    """The same seeds with the bridge and with torch's formula."""
    x = torch.as_tensor(counts(sizes)[0][: min(sizes.cells, 512)], device=torch_device())
    traces = {}
    for name, function in {"bridge": bridge.log_nb_positive, "torch": peers.log_nb}.items():
        torch.manual_seed(0)
        model = Autoencoder(sizes.genes).to(x.device)
        optimizer = torch.optim.Adam(model.parameters(), 1e-3)
        losses, early = [], None
        wait()
        for step in range(sizes.steps):
            if step == sizes.steps // 10:
                early = (memory(), len(jax.live_arrays()))
                wait()
                start = time.perf_counter()
            optimizer.zero_grad()
            loss = model.loss(x, function)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        wait()
        per_step = (time.perf_counter() - start) / (sizes.steps - sizes.steps // 10)
        lines.add(f"step of training, {name}, {tuple(x.shape)}", per_step * 1e6, "us")
        growth, arrays = memory() - early[0], len(jax.live_arrays()) - early[1]
        if name == "bridge":
            passed = growth <= 0 if on_gpu() else None
            lines.add(f"memory after {sizes.steps} steps", growth, "MB more", passed=passed)
            lines.add(f"JAX arrays after {sizes.steps} steps", arrays, "more", passed=arrays < 20)
        traces[name] = torch.stack(losses).cpu().numpy()
        lines.add(f"losses finite, {name}", bool(np.isfinite(traces[name]).all()), passed=None)
    first = slice(0, 20)
    apart = np.max(np.abs(traces["bridge"][first] / traces["torch"][first] - 1))
    lines.add("loss apart from torch's, first 20 steps", float(apart), "", passed=apart < 1e-3)
