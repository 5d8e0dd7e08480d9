"""Negative binomial regression with a random intercept per donor, by quadrature."""

from jaxnb.glm.mixed.result import MixedFit

__all__ = ["MixedFit"]
