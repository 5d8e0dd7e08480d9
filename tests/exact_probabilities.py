"""Log-probabilities of counts in float64, for every distribution.

Those of negative binomials and of what is made of them by SciPy, so that nothing is compiled; any
other's by the function itself.
"""

import jax
import numpy as np
import scipy.stats
from scipy.special import log_expit


def log_probabilities(case, x, values):
    """At whole counts from 0 on, in one axis.

    Args:
        case: Of the registry.
        x: The counts, beginning with 0.
        values: Of the parameters, in the order of the table.
    """
    named = dict(zip((p.name for p in case.family.parameters), map(float, values), strict=True))
    means, thetas, logits = (
        [value for name, value in named.items() if name.startswith(kind)]
        for kind in ("mu", "theta", "pi")
    )

    if not means:
        with jax.enable_x64(True):
            return np.asarray(case.log_prob(x.astype(float), *map(float, values)))

    def nb(mu, theta):
        return scipy.stats.nbinom.logpmf(x, theta, theta / (theta + mu))

    log_p = nb(means[0], thetas[0])
    with np.errstate(divide="ignore"):
        if "truncated" in case.name or "hurdle" in case.name:
            log_p = np.where(x == 0, -np.inf, log_p - np.log(-np.expm1(log_p[0])))
        if not logits:
            return log_p
        first, second = np.log(x == 0), log_p
        if len(means) > 1:
            first, second = log_p, nb(means[1], thetas[-1])
    return np.logaddexp(log_expit(logits[0]) + first, log_expit(-logits[0]) + second)
