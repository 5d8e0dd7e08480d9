"""Real counts that come with the package and need no network."""

from jaxnb.datasets.pbmc import CountData, pbmc68k

__all__ = ["CountData", "pbmc68k"]


def __dir__() -> list[str]:
    return __all__
