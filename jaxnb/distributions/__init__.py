"""NumPyro distributions over the exact likelihoods of counts."""

from jaxnb.distributions import classes as _classes
from jaxnb.distributions import divergence as _divergence  # noqa: F401
from jaxnb.distributions.censored import IntervalCensored, LeftCensored, RightCensored
from jaxnb.distributions.classes import *
from jaxnb.distributions.truncation import Truncated

__all__ = ["IntervalCensored", "LeftCensored", "RightCensored", "Truncated"]
__all__ += _classes.__all__


def __dir__() -> list[str]:
    return sorted(__all__)
