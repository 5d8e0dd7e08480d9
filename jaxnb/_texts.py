"""Longer pieces of docstrings, which the declarations refer to."""

__all__ = [
    "ENTROPY_ACCURACY",
    "INTERVAL_ACCURACY",
    "INTERVAL_ACCURACY_WITHOUT_ZEROS",
    "KEPT",
    "LOG_SCALE",
    "ORIGINAL_MIXTURE_NB",
    "ORIGINAL_NB",
    "ORIGINAL_ZINB",
    "TAIL_ACCURACY",
    "TREE",
]

TAIL_ACCURACY = (
    "Accuracy, in units of ``max(1, abs(value)) * 2**-23`` (float32, ``2**-52`` in float64), over "
    "thetas from 1e-6 to 1e10, means from 1e-8 to 1e6 and counts up to 8e5: at most 4.5, 2.2 at "
    "the 99th percentile. The derivative in mu has a relative error below 3e-6 (7e-14 in float64) "
    "at the 99th percentile, that in theta one below 1e-6 (2e-14) of its own size plus that of the "
    "derivative of the log-probability. Parameters passed as logarithms carry the rounding of "
    "their exponentials (`tests/cdf/test_accuracy.py`)."
)

ENTROPY_ACCURACY = (
    "Accuracy, for every mean and theta: the relative error is below 2e-5 in float32 (1.1e-5 seen) "
    "and 1e-9 in float64 (1.2e-11 seen); of mixtures, 1e-5 and 1e-6 (`tests/cdf/test_entropy.py`)."
)

_INTERVALS = (
    "Accuracy, with means of 1e-9 to 1e9, thetas of 1e-12 to infinity and ends that are exact in "
    "the dtype: the error is below ``max(1, abs(value))`` times 4e-6 (1.5e-14 in float64)"
)

INTERVAL_ACCURACY = f"{_INTERVALS} (`tests/fuzz/intervals.py`)."

INTERVAL_ACCURACY_WITHOUT_ZEROS = (
    f"{_INTERVALS}, or for small thetas 2e-5 (4e-14) (`tests/fuzz/intervals.py`)."
)

TREE = (
    "As a pytree, its leaves are the parameters that were passed, with leading axes of length 1 "
    "where their ranks differ; the other forms are computed from them when read. The batch shape "
    "is that of the parameters broadcast together.\n\n"
    "A NaN in a parameter stands for a missing number: it passes validation, and the "
    "log-probability is NaN there unless `mask` leaves it out."
)

LOG_SCALE = (
    "`log_mu`, `log_theta` and `logits` are used as they are: the log-probability and its "
    "derivatives are finite also where exp underflows or overflows. With `mu`, the derivative is 0 "
    "below the floor `eps`: Hamiltonian samplers and optimizers that can reach means below 1e-30 "
    "need `log_mu` or `logits`. Where exp(log_mu) overflows, the attribute `mu` is infinite, and a "
    "draw is the largest integer."
)

KEPT = (
    "The parameters broadcast, and are kept as views of the batch shape, on the scale on which "
    "they were passed; (total_count, logits) is kept as log_mu and theta. They can be assigned."
)

ORIGINAL_NB = {
    "original": "with the variance mu + mu**2 / theta, extended to real counts by the gamma "
    "function. The arguments broadcast; nothing is reshaped. Each parameter is passed directly or "
    "as its natural logarithm: the computation stays on that scale, and value and derivatives are "
    "accurate and finite also where exp(log_mu) would underflow or overflow. Whole counts are "
    "evaluated fastest.",
    "original returns": " (float16 and bfloat16 are computed in float32). -inf for x < 0, for mu = "
    "inf, and for x > 0 where mu or theta is 0; NaN where an argument is NaN or a parameter "
    "negative. Derivatives of any order in the parameters, in closed form up to the second; those "
    "in x are computed only if asked for. Outside the support every derivative is 0; one that "
    "would overflow is the largest number of the dtype. Derivatives in theta and its logarithm are "
    "0 for theta beyond 2**99 and means up to 2**70 (2**798 and 2**500 in float64), and that in "
    "`log_theta` underflows where the one in theta does.",
    "original accuracy": "Accuracy, in units of ``max(1, abs(value)) * 2**-23`` (float32, "
    "``2**-52`` in float64), over thetas from 1e-6 to 1e10, means from 1e-8 to 1e8 and counts up "
    "to 1e6: at most 3.3, and 1.5 at the 99th percentile. First derivatives are within 2.5 units "
    "of what one rounding of the arguments would do. Counts that are not whole, from 0.001 on with "
    "means from 0.01 to 100 and thetas from 0.05 to 1e6: at most 4, and first and second "
    "derivatives to a relative 3e-5 at the 99th percentile "
    "(`tests/likelihoods/test_accuracy.py`). Next to 0 such counts have no digits of a theta below "
    "2**-50, nor of a subnormal mean. A mean passed as its logarithm carries the rounding of its "
    "exponential, at most what one rounding of `log_mu` does where abs(log_mu) >= 1.",
    "original references": "Loader (2000), Fast and accurate computation of binomial "
    "probabilities, equation 3.\n"
    "Lopez et al. (2018), Deep generative modeling for single-cell transcriptomics, for the mean "
    "and inverse-dispersion form.",
}

_AS_NB = ". Edges, derivatives and errors as for `log_nb_positive`"

ORIGINAL_ZINB = {
    "original returns": f"{_AS_NB}.",
    "original accuracy": "Accuracy of values as for `log_nb_positive`. Derivatives have a relative "
    "error below 1e-5 (float32) for 99 in 100 typical arguments, and nowhere the wrong sign.",
    "original references": "Lopez et al. (2018), Deep generative modeling for single-cell "
    "transcriptomics.",
    "torch original": "scvi-tools' function reshapes a `theta` with one axis to (1, n), and with "
    "it the result: for arguments of shape (3,) it returns (1, 3). Here the result has the shape "
    "(3,).",
}

ORIGINAL_MIXTURE_NB = {
    "original returns": f"{_AS_NB}; a component that cannot explain the count has weight 0.",
    "original accuracy": "Accuracy of values as for `log_nb_positive`. The derivatives in means "
    "and thetas carry the error of each component's weight, which is that of the difference of two "
    "log-probabilities. The derivative in the log-odds vanishes with the latter; where the thetas "
    "are equal it is formed without cancellation.",
    "original references": "Gayoso et al. (2021), Joint probabilistic modeling of single-cell "
    "multi-omic data with totalVI, for the mixture of foreground and background counts.",
}
