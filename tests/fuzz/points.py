"""Random arguments for a distribution: ordinary ones, limits, the ends of the dtype's range."""

import numpy as np

EXPONENTS = {"float32": 126, "float64": 1022}
REGIONS = ("ordinary", "limits", "wide")
CORNERS = {
    "mean": [1e-30, 1e-8, 1.0, 1e7, 1e30],
    "theta": [1e-15, 1e-8, 1.0, 2.0, 1e7, 1e30, np.inf],
    "odds": [-100.0, -20.0, 0.0, 20.0, 100.0],
}
WHOLE = ("zero_truncated_negative_binomial", "hurdle_negative_binomial")
"""Distributions of whole numbers alone."""
COUNTS = [0, 1, 2, 3, 0.5, 1.5, 2.5, 1e7, 2.0**24]


def kind_of(parameter) -> str:
    """Whether it is a mean, a theta, or log-odds."""
    if parameter.constraint == "extended real":
        return "odds"
    return "theta" if parameter.name.startswith("theta") else "mean"


def drawn(case, dtype, n, seed, region, *, whole=False, infinite_theta=True):
    """x and the parameters: n of each, in this dtype.

    A count is small, any, near the mean, or, unless `whole`, no whole number.
    """
    rng = np.random.default_rng([seed, REGIONS.index(region)])
    parameters = [
        _parameter(rng, kind_of(p), dtype, n, region, infinite_theta)
        for p in case.family.parameters
    ]
    mean = np.asarray(parameters[0], float)
    theta = next(
        np.asarray(v, float)
        for v, p in zip(parameters, case.family.parameters, strict=True)
        if kind_of(p) == "theta"
    )
    with np.errstate(all="ignore"):
        deviation = np.sqrt(mean) * np.sqrt(1 + mean / theta)
        near = np.floor(mean + rng.uniform(-3, 4, n) * np.minimum(deviation, 1e300))
    limit = {"ordinary": 1e5, "limits": 2.0**24, "wide": 2.0 ** (EXPONENTS[dtype] - 30)}[region]
    kind = rng.integers(0, 5, n)
    x = np.select(
        [kind == 0, kind == 1, kind == 2, kind == 3],
        [
            rng.integers(0, 6, n),
            np.floor(np.exp(rng.uniform(0, np.log(limit), n))),
            np.clip(near, 0, limit),
            rng.uniform(0, 4, n),
        ],
        rng.choice(COUNTS, n),
    )
    x = np.floor(x) if whole or case.name in WHOLE else x
    if case.family.lowest:
        x = np.maximum(x, case.family.lowest)
    return [x.astype(dtype), *parameters]


def _parameter(rng, kind, dtype, n, region, infinite_theta):
    if kind == "odds":
        value = rng.uniform(-6, 6, n) if region == "ordinary" else rng.uniform(-40, 40, n)
    else:
        ranges = {"mean": {"ordinary": (-10, 13), "limits": (-30, 25)}}
        ranges["theta"] = {"ordinary": (-7, 13), "limits": (-25, 35)}
        limit = EXPONENTS[dtype]
        low, high = ranges[kind].get(region, (-limit, limit))
        value = np.ldexp(rng.uniform(1, 2, n), rng.integers(low, high, n))
    if region != "ordinary":
        corners = [c for c in CORNERS[kind] if infinite_theta or np.isfinite(c)]
        value = np.where(rng.random(n) < 0.1, rng.choice(corners, n), value)
    return value.astype(dtype)


def logarithms(case, parameters):
    """The parameters as functions on the log scale take them."""
    with np.errstate(divide="ignore"):
        return [
            np.log(value) if scaled else value
            for value, scaled in zip(parameters, case.scaled, strict=True)
        ]


def beyond(logs, case, dtype, seed):
    """The same with some logarithms of numbers that the dtype does not have."""
    rng = np.random.default_rng([seed, 73])
    limit = 1.5 * EXPONENTS[dtype] * np.log(2)
    out = []
    for value, scaled in zip(logs, case.scaled, strict=True):
        far = rng.uniform(-limit, limit, len(value))
        chosen = (rng.random(len(value)) < 0.1) & scaled
        out.append(np.where(chosen, far, value).astype(dtype))
    return out
