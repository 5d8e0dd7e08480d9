"""The functions that the fits and the regression run on a device, for a block of genes."""

from collections.abc import Callable
from functools import partial
from typing import Any

from jaxnb.fit import comparison, search
from jaxnb.fit.likelihood import Point
from jaxnb.fit.sums import Sums
from jaxnb.glm import likelihood

__all__ = ["of_fits", "of_regression"]

GENES, NODES, TAILS = 1024, 64, 512  # of a fit
CELLS, THRESHOLDS, COEFFICIENTS = 256, 256, 6  # of a regression

Programs = dict[str, tuple[Callable[..., Any], Any]]


def of_fits(array: Callable[..., Any]) -> Programs:
    """Functions by their names, each with the types of its arguments, which `array` makes."""

    def a(*shape: int, dtype: str | None = None) -> Any:
        return array(shape, dtype)

    sums = Sums(
        cells=a(),
        total=a(GENES),
        poisson_log_mean=a(GENES),
        poisson_log_likelihood=a(GENES),
        factor_squares=a(),
        square=a(GENES),
        count_factor_sum=a(GENES),
        log_factors=a(NODES),
        cell_weights=a(NODES),
        count_weights=a(GENES, NODES),
        zero_log_factors=a(8, 16),
        zero_weights=a(GENES, 8, 16),
        tail=a(TAILS),
        tail_weights=a(GENES, TAILS),
        fractional=a(GENES, 0),
    )
    point, grid = Point(*[a(GENES)] * 3), Point(*[a(GENES, 32)] * 3)
    steps = a(GENES, dtype="int32")
    shares = [a(NODES), a(NODES), *[a(GENES)] * 3]
    return {
        "fit climb": (partial(search._climb, inflated=False), [point, steps, sums]),
        "fit climb, inflated": (partial(search._climb, inflated=True), [point, steps, sums]),
        "fit scan": (partial(search._scan, inflated=False), [a(GENES, 32), sums]),
        "fit values": (partial(search._values, inflated=True), [grid, sums]),
        "fit shares of zeros": (comparison._zero_shares, shares),
    }


def of_regression(array: Callable[..., Any]) -> Programs:
    """The same of the regression."""

    def a(*shape: int) -> Any:
        return array(shape)

    genes, packed = CELLS, COEFFICIENTS * (COEFFICIENTS + 1) // 2
    block = likelihood.Block(
        free=a(genes, COEFFICIENTS),
        cells=a(genes, CELLS),
        counts=a(genes, CELLS),
        center=a(genes),
        exceedances=a(genes, THRESHOLDS),
        thresholds=a(THRESHOLDS),
        log_size_factors=a(CELLS),
        design=a(12, COEFFICIENTS),
        products=a(12, packed),
        member=a(CELLS, 12),
    )
    at = [a(genes), a(genes, COEFFICIENTS), block]
    return {
        "regression profile": (partial(likelihood.evaluate, cox_reid=True), at),
        "regression covariance": (likelihood.covariance, at),
    }
