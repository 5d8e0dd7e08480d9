"""The kinds of checks, each for every distribution and dtype."""

from collections.abc import Callable, Iterator
from functools import partial

from fuzz import (
    censored,
    draws,
    edges,
    edges_of_means,
    integers,
    intervals,
    likelihoods,
    means,
    moments,
    pairs,
    properties,
    quantiles,
    residuals,
    slopes,
    sums,
    tails,
    truncated,
)
from fuzz.exact_means import ENTROPIES
from fuzz.findings import Report
from fuzz.oracle import LOG_PROB
from fuzz.points import REGIONS
from fuzz.programs import ORDERS
from registry import DISTRIBUTIONS

DTYPES = ("float32", "float64")
NAMES = [name for name in DISTRIBUTIONS if name in LOG_PROB]
"""The distributions that have exact values here."""
Run = Callable[[int, int], Report]
"""Of the number of points and the seed."""


def _in_regions(check, regions=REGIONS, scales=(False,), **options):
    def of(name: str, dtype: str) -> Iterator[tuple[str, Run]]:
        for region in regions:
            for log_scale in scales:
                scale = {"log_scale": True} if log_scale else {}
                label = f"{region}{', log scale' * log_scale}"
                yield label, partial(check, name, dtype, region=region, **scale, **options)

    return of


def _plain(check):
    return lambda name, dtype: iter([("", partial(check, name, dtype))])


def _on_both_scales(check):
    def of(name: str, dtype: str) -> Iterator[tuple[str, Run]]:
        for log_scale in (False, True):
            label = "log scale" * log_scale
            yield label, partial(check, name, dtype, log_scale=log_scale)

    return of


def _in_orders(check, regions):
    """One order of differentiation after the other, each a program of its own."""

    def of(name: str, dtype: str) -> Iterator[tuple[str, Run]]:
        for order in ORDERS:
            for region in regions:
                yield (
                    f"{region}, {order}",
                    partial(check, name, dtype, region=region, orders=(order,)),
                )

    return of


def _of_nb(kind):
    return lambda name, dtype: kind(name, dtype) if name == "negative_binomial" else iter(())


KINDS = {
    "likelihoods": _in_regions(likelihoods.log_probabilities, scales=(False, True)),
    # its curvature in log(theta) has few digits where counts and means are both above 1e28
    "deviance": _of_nb(_in_regions(likelihoods.deviances, REGIONS[:2], scales=(False, True))),
    "tails": _in_regions(tails.log_tails),
    "curvature of tails": _in_orders(tails.log_tails, REGIONS[:2]),
    "edges of tails": _plain(tails.at_edges),
    "complements": _plain(tails.complements),
    "intervals": _plain(intervals.log_intervals),
    "quantiles": _in_regions(quantiles.quantiles, REGIONS[:2]),
    "residuals": _in_regions(residuals.residuals, REGIONS[:2]),
    "slopes of residuals": _plain(slopes.slopes),
    "entropy": _plain(sums.entropies),
    "divergence": _of_nb(_plain(sums.divergences)),
    "wide entropy": lambda name, dtype: (
        _plain(means.entropies)(name, dtype) if name in ENTROPIES else iter(())
    ),
    "wide divergence": _of_nb(_plain(means.divergences)),
    "pairs": _of_nb(_plain(pairs.pairs)),
    "truncated": _plain(truncated.truncated),
    "truncated samples": lambda name, dtype: (
        _plain(truncated.samples)(name, dtype) if dtype == "float32" else iter(())
    ),
    "censored": _plain(censored.log_probabilities),
    "edges": _on_both_scales(edges.edges),
    "edges of means": _plain(edges_of_means.edges),
    "moments": _plain(sums.moments_and_modes),
    "wide moments": _plain(moments.moments),
    "samplers": lambda name, dtype: (
        _plain(sums.samplers)(name, dtype) if dtype == "float32" else iter(())
    ),
    "draws at limits": lambda name, dtype: (
        _plain(draws.draws)(name, dtype) if dtype == "float32" else iter(())
    ),
    "hessians": _in_regions(properties.hessians, REGIONS[:2]),
    "integers": _plain(integers.integers),
    "inverses": _plain(properties.inverses),
}
"""Of a distribution and a dtype, what there is to run."""


def rounds(kinds, distributions, dtypes=DTYPES) -> Iterator[tuple[str, Run]]:
    """Everything of these, with labels."""
    for kind in kinds:
        for name in distributions:
            for dtype in dtypes:
                for label, run in KINDS[kind](name, dtype):
                    words = [kind, name, dtype, label]
                    yield " ".join(word for word in words if word), run
