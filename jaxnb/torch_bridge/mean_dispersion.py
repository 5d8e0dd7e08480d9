"""What the distributions on tensors with one mean and one inverse dispersion have in common."""

import torch
from torch import Tensor
from torch.distributions import constraints

from jaxnb.torch_bridge.counts import Counts
from jaxnb.torch_bridge.parameters import LogScale, Parameter, ScaledParameter, log_ratio

__all__ = ["MeanDispersion"]


class MeanDispersion(Counts):
    """A distribution with a mean and an inverse dispersion, which are read in all their forms."""

    mu = ScaledParameter(constraints.nonnegative)
    theta = ScaledParameter(constraints.nonnegative)
    log_mu = LogScale()
    log_theta = LogScale()
    scale = Parameter(constraints.nonnegative)

    @property
    def total_count(self) -> Tensor:
        """The number of failures to wait for, which is theta."""
        return self.theta

    @property
    def logits(self) -> Tensor:
        """log(mu / theta)."""
        if {"log_mu", "log_theta"}.isdisjoint(self._kept):
            return log_ratio(self.mu, self.theta)
        return self.log_mu - self.log_theta

    @property
    def probs(self) -> Tensor:
        """The success probability mu / (mu + theta)."""
        return torch.sigmoid(self.logits)

    def get_normalized(self, key: str) -> Tensor:
        """Normalized expression: `mu` for the key "mu", and for "scale" the `scale` given.

        Where none was given, that is mu divided by its sum over the last axis, which scvi-tools
        returns for (total_count, logits) or probs; for (mu, theta) it returns None. The attribute
        `scale` is None here in all these cases.

        Raises:
            ValueError: Another key.
        """
        if key == "mu":
            return self.mu
        if key != "scale":
            raise ValueError(f"key must be 'mu' or 'scale', got {key!r}")
        if self.scale is not None:
            return self.scale
        if "log_mu" in self._kept:
            return torch.softmax(self.log_mu, dim=-1)
        return self.mu / self.mu.sum(dim=-1, keepdim=True)
