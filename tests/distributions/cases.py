"""The registry of cases: each class in each of its parameterizations."""

import numpy as np

import jaxnb

SHAPE = (3, 2)
MU = np.array([[0.4, 3.0], [7.0, 21.0], [1.0, 5.0]], np.float32)
THETA = np.array([0.8, 4.0], np.float32)
LOGITS = np.float32(-0.7)
COUNTS = np.array([[1.0, 2.0], [9.0, 17.0], [3.0, 4.0]], np.float32)
NB, ZINB = jaxnb.NegativeBinomial, jaxnb.ZeroInflatedNegativeBinomial
MIX = jaxnb.NegativeBinomialMixture

_PROBS = MU / (MU + THETA)
_MIXTURE = {"mu1": MU, "mu2": 3 * MU, "theta1": THETA, "mixture_logits": LOGITS}

# name -> class and parameters; the batch shape of each is (3, 2)
CASES = {
    "nb": (NB, {"mu": MU, "theta": THETA}),
    "nb-log": (NB, {"log_mu": np.log(MU), "log_theta": np.log(THETA)}),
    "nb-log-mu": (NB, {"log_mu": np.log(MU), "theta": THETA}),
    "nb-probs": (NB, {"total_count": THETA, "probs": _PROBS}),
    "nb-logits": (NB, {"total_count": THETA, "logits": np.log(MU / THETA)}),
    "nb-poisson": (NB, {"mu": MU, "theta": np.float32(np.inf)}),
    "zinb": (ZINB, {"mu": MU, "theta": THETA, "zi_logits": LOGITS}),
    "zinb-log": (ZINB, {"mu": MU, "log_theta": np.log(THETA), "zi_logits": LOGITS}),
    "zinb-probs": (
        ZINB,
        {"total_count": THETA, "probs": _PROBS, "zi_probs": 1 / (1 + np.exp(-LOGITS))},
    ),
    "mixture": (MIX, _MIXTURE | {"theta2": 2 * THETA}),
    "mixture-shared": (MIX, _MIXTURE),
    "mixture-log": (
        MIX,
        {
            "log_mu1": np.log(MU),
            "mu2": 3 * MU,
            "theta1": THETA,
            "log_theta2": np.log(2 * THETA),
            "mixture_logits": LOGITS,
        },
    ),
}

# the same distributions as these, parameterized otherwise
SAME = {
    "nb-log": "nb",
    "nb-log-mu": "nb",
    "nb-probs": "nb",
    "nb-logits": "nb",
    "zinb-log": "zinb",
    "zinb-probs": "zinb",
    "mixture-log": "mixture",
}

# for what cannot depend on how the parameters were given
ONE_OF_EACH = ("nb", "zinb", "mixture")


def made(name, **options):
    constructor, parameters = CASES[name]
    return constructor(**parameters, **options)
