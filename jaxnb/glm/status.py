"""What a fit of one gene amounts to."""

from enum import IntEnum

__all__ = ["GLMStatus"]


class GLMStatus(IntEnum):
    """The outcome of one gene's regression; ``GLMStatus(code).message`` says it in words."""

    message: str

    def __new__(cls, code: int, message: str) -> "GLMStatus":
        """A status with its message."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.message = message
        return member

    CONVERGED = 0, "converged"
    POISSON = 1, "no more variance than Poisson: the dispersion is 0"
    SEPARATED = (
        2,
        "no counts wherever some combination of coefficients says so: those coefficients are "
        "infinite, the others and the log-likelihood are those of the limit",
    )
    ALL_ZEROS = 3, "all counts are zero: nothing can be estimated"
    DISPERSION_LIMIT = 4, "the dispersion is at the largest value allowed: too few counts"
    NOT_CONVERGED = 5, "not converged: do not rely on these estimates"

    @property
    def label(self) -> str:
        """The name as tables show it."""
        return self.name.lower().replace("_", " ")
