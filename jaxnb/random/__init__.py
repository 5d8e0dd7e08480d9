"""Exact draws from the gamma, Poisson and negative binomial distributions, with jax.random keys."""

from jaxnb.random.draws import (
    gamma,
    hurdle_negative_binomial,
    negative_binomial,
    negative_binomial_mixture,
    poisson,
    zero_inflated_negative_binomial,
    zero_truncated_negative_binomial,
)

__all__ = [
    "gamma",
    "hurdle_negative_binomial",
    "negative_binomial",
    "negative_binomial_mixture",
    "poisson",
    "zero_inflated_negative_binomial",
    "zero_truncated_negative_binomial",
]


def __dir__() -> list[str]:
    return __all__
