"""Negative binomial regression: differential expression of every gene of a count matrix."""

from jaxnb.glm.fit import fit
from jaxnb.glm.result import GLMFit
from jaxnb.glm.status import GLMStatus

__all__ = ["GLMFit", "GLMStatus", "fit"]
