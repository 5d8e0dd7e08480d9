"""All planted faults."""

from fault import Fault
from of_distributions import DISTRIBUTIONS
from of_files import FILES
from of_fits import FITS
from of_functions import FUNCTIONS
from of_means import MEANS
from of_regression import REGRESSION
from of_torch import TORCH

__all__ = ["FAULTS"]

FAULTS: tuple[Fault, ...] = (
    *FUNCTIONS,
    *DISTRIBUTIONS,
    *MEANS,
    *FITS,
    *REGRESSION,
    *FILES,
    *TORCH,
)
