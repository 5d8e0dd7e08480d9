"""Negative binomial regression: differential expression of every gene of a count matrix."""

from typing import TYPE_CHECKING

from jaxnb._errors import required_module

try:
    from jaxnb.glm.fit import fit
    from jaxnb.glm.markers import markers
    from jaxnb.glm.mixed import MixedFit
    from jaxnb.glm.pseudobulk import pseudobulk
    from jaxnb.glm.rank_genes import rank_genes_groups
    from jaxnb.glm.result import GLMFit
    from jaxnb.glm.status import GLMStatus
    from jaxnb.glm.streaming import fit_file
except ImportError:
    for _name in ("formulaic", "pandas"):
        required_module(_name, "jaxnb.glm")
    raise

if TYPE_CHECKING:
    from jaxnb.glm.pydeseq2 import PyDESeq2Inference

__all__ = [
    "GLMFit",
    "GLMStatus",
    "MixedFit",
    "PyDESeq2Inference",
    "fit",
    "fit_file",
    "markers",
    "pseudobulk",
    "rank_genes_groups",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """`PyDESeq2Inference` when it is asked for: only it needs PyDESeq2."""
        if name == "PyDESeq2Inference":
            from jaxnb.glm.pydeseq2 import PyDESeq2Inference

            return PyDESeq2Inference
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
