"""Parameters, and log-probabilities of all counts that matter to them."""

import numpy as np
import scipy.stats

MU = np.array([1e-3, 0.4, 3, 20, 55, 150, 4e3, 20, 54.3, 300], np.float32)
THETA = np.array([2, 0.7, 50, 0.3, 1e3, 8, 40, 0.05, np.inf, np.inf], np.float32)
OTHER_MU = MU * np.float32(1.2)
OTHER_THETA = np.where(np.isfinite(THETA), THETA * np.float32(0.7), np.float32(900))
X = np.arange(60_000.0)[:, None]


def log_nb(mu, theta):
    mu, theta = mu.astype(float), theta.astype(float)
    poisson = np.isinf(theta)
    theta = np.where(poisson, 1.0, theta)
    log_p = scipy.stats.nbinom.logpmf(X, theta, theta / (theta + mu))
    return np.where(poisson, scipy.stats.poisson.logpmf(X, mu), log_p)
