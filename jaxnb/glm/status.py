"""What a fit of one gene amounts to."""

from enum import IntEnum

__all__ = ["GLMStatus"]


class GLMStatus(IntEnum):
    """The outcome of one gene's regression; ``GLMStatus(code).message`` says it in words."""

    CONVERGED = 0
    POISSON = 1
    SEPARATED = 2
    ALL_ZEROS = 3
    DISPERSION_LIMIT = 4
    NOT_CONVERGED = 5
    NO_RANDOM_SD = 6
    RANDOM_SD_LIMIT = 7

    @property
    def message(self) -> str:
        """The outcome in a sentence."""
        return _MESSAGES[self]

    @property
    def label(self) -> str:
        """The name as tables show it."""
        return self.name.lower().replace("_", " ")


_MESSAGES = {
    GLMStatus.CONVERGED: "converged",
    GLMStatus.POISSON: "no more variance than Poisson: the dispersion is 0",
    GLMStatus.SEPARATED: (
        "no counts wherever some combination of coefficients says so: those coefficients are "
        "infinite, the others and the log-likelihood are those of the limit"
    ),
    GLMStatus.ALL_ZEROS: "all counts are zero: nothing can be estimated",
    GLMStatus.DISPERSION_LIMIT: "the dispersion is at the largest value allowed: too few counts",
    GLMStatus.NOT_CONVERGED: "not converged: do not rely on these estimates",
    GLMStatus.NO_RANDOM_SD: (
        "donors differ by no more than their cells do: random_sd is 0, and the estimates are those "
        "without donors; the moderated test still allows for differences between donors"
    ),
    GLMStatus.RANDOM_SD_LIMIT: (
        "random_sd is at the largest value allowed: counts in few donors only"
    ),
}
