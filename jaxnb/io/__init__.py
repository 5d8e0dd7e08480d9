"""Reading count matrices from the files that single-cell tools write."""

from jaxnb._errors import InputError
from jaxnb.io.count_file import CountFile, CountMatrix
from jaxnb.io.reading import open_counts, read_counts

__all__ = ["CountFile", "CountMatrix", "InputError", "open_counts", "read_counts"]


def __dir__() -> list[str]:
    return __all__
