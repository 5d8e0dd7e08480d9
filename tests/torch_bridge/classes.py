"""The classes of the bridge with arguments, in every form in which they can be given."""

from torch_bridge.cases import CLASSES, bridge, torch

import jaxnb

__all__ = ["FORMS", "HURDLE", "MIX", "MU", "NB", "PI", "THETA", "TRUNCATED", "ZINB"]
__all__ += ["made", "on_arrays"]

MU = torch.tensor([[0.4, 3.0], [7.0, 20.0], [1.0, 5.0]])
THETA = torch.tensor([0.8, 4.0])
PI = torch.tensor(-0.7)
NB, ZINB = bridge.NegativeBinomial, bridge.ZeroInflatedNegativeBinomial
MIX = bridge.NegativeBinomialMixture
TRUNCATED, HURDLE = bridge.ZeroTruncatedNegativeBinomial, bridge.HurdleNegativeBinomial

_PROBS, _LOGITS = MU / (MU + THETA), torch.log(MU / THETA)

FORMS = {
    "nb": (NB, {"mu": MU, "theta": THETA}),
    "nb-scale": (NB, {"mu": MU, "theta": THETA, "scale": MU / MU.sum(-1, keepdim=True)}),
    "nb-probs": (NB, {"total_count": THETA, "probs": _PROBS}),
    "nb-logits": (NB, {"total_count": THETA, "logits": _LOGITS}),
    "nb-logs": (NB, {"log_mu": MU.log(), "log_theta": THETA.log()}),
    "zinb": (ZINB, {"mu": MU, "theta": THETA, "zi_logits": PI}),
    "zinb-probs": (ZINB, {"total_count": THETA, "probs": _PROBS, "zi_probs": PI.sigmoid()}),
    "truncated": (TRUNCATED, {"mu": MU, "theta": THETA}),
    "truncated-logits": (TRUNCATED, {"total_count": THETA, "logits": _LOGITS}),
    "hurdle": (HURDLE, {"mu": MU, "theta": THETA, "zi_logits": PI}),
    "hurdle-probs": (HURDLE, {"log_mu": MU.log(), "theta": THETA, "zi_probs": PI.sigmoid()}),
}
"""By name, class and keywords; those of one class are the same distribution."""


def made(name, **options):
    """The distribution of that name, of `CLASSES` or of `FORMS`; its batch shape is (3, 2)."""
    kind, parameters = (CLASSES | FORMS)[name]
    return kind(**parameters, **options)


def on_arrays(distribution):
    """The class of the same name on arrays, with the same parameters."""
    kind = getattr(jaxnb, type(distribution).__name__)
    names = [name.removeprefix("log_") for name in distribution.arg_constraints]
    parameters = {name: getattr(distribution, name).numpy() for name in names}
    return kind(**parameters, validate_args=False)  # without a warning of zeros if truncated
