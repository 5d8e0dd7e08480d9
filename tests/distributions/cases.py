"""The registry of cases: each class in each of its parameterisations."""

import numpy as np

import jaxnb

SHAPE = (3, 2)
MU = np.array([[0.4, 3.0], [7.0, 20.0], [1.0, 5.0]], np.float32)
THETA = np.array([0.8, 4.0], np.float32)
LOGITS = np.float32(-0.7)
NB, ZINB = jaxnb.NegativeBinomial, jaxnb.ZeroInflatedNegativeBinomial
MIX = jaxnb.NegativeBinomialMixture

# name -> class and parameters; the batch shape of each is (3, 2)
CASES = {
    "nb-mu-theta": (NB, {"mu": MU, "theta": THETA}),
    "nb-probs": (NB, {"total_count": THETA, "probs": MU / (MU + THETA)}),
    "nb-logits": (NB, {"total_count": THETA, "logits": np.log(MU / THETA)}),
    "nb-poisson": (NB, {"mu": MU, "theta": np.float32(np.inf)}),
    "zinb": (ZINB, {"mu": MU, "theta": THETA, "zi_logits": LOGITS}),
    "zinb-probs": (
        ZINB,
        {"total_count": THETA, "probs": MU / (MU + THETA), "zi_probs": np.float32(0.3)},
    ),
    "mixture": (
        MIX,
        {"mu1": MU, "mu2": 3 * MU, "theta1": THETA, "mixture_logits": LOGITS, "theta2": 2 * THETA},
    ),
    "mixture-shared": (MIX, {"mu1": MU, "mu2": 9 * MU, "theta1": THETA, "mixture_logits": LOGITS}),
}

# for what cannot depend on how the parameters were given
ONE_OF_EACH = ("nb-mu-theta", "zinb", "mixture")
