"""The distributions, each declared once.

The functions that differ between distributions by their names, parameters and kernels alone are
written from this table by `python -m jaxnb._generate`: the log-probabilities of
`jaxnb.likelihoods` and `jaxnb.torch_bridge` in `log_prob` and `original_names`, the distribution
functions and entropies of `jaxnb.cdf.functions`, the samplers of `jaxnb.random.distributions`, and
the classes of `jaxnb.distributions` and `jaxnb.torch_bridge`.
`jaxnb.families` puts the same declarations together with what is computed.

What is computed is given by its address, "module:name" or the name of a module, so that the table
needs none of the modules that are written from it.
"""

from jaxnb import _texts
from jaxnb.declaration import Declaration, Parameter

__all__ = [
    "DECLARATIONS",
    "HURDLE_NB",
    "MIXTURE_NB",
    "NB",
    "POISSON",
    "ZERO_TRUNCATED_NB",
    "ZINB",
    "ZIP",
    "original_names",
    "public_functions",
]


def _mean(description: str, suffix: str = "", note: str = "") -> Parameter:
    name, attribute = f"mu{suffix}", f"mu{suffix.removeprefix('_')}"
    return Parameter(name, attribute, f"{description}, {name} >= 0.{note}")


def _dispersion(
    description: str = "Inverse dispersion, theta >= 0, infinity included.",
) -> Parameter:
    return Parameter("theta", "theta", description)


def _log_odds(
    name: str, attribute: str, event: str, description: str, probability: str | None = None
) -> Parameter:
    return Parameter(
        name,
        attribute,
        description,
        "extended real",
        has_log_scale=False,
        event=event,
        probability=probability,
    )


NB = Declaration(
    stem="nb",
    name="negative_binomial",
    class_name="NegativeBinomial",
    under="a negative binomial distribution",
    counts="Negative binomial counts.",
    moments=(
        "The mean is mu, 0 where theta is 0; the variance is mu + mu**2 / theta, 0 there and mu at "
        "theta = inf. The mode is floor(mu (theta - 1) / theta) if theta > 1, the larger of two "
        "where two counts are equally probable, and otherwise 0."
    ),
    parameters=(
        _mean("Mean, in counts"),
        _dispersion(
            "Inverse dispersion, theta >= 0. Infinity is Poisson's distribution, 0 a point mass at "
            "zero."
        ),
    ),
    likelihood="jaxnb.likelihoods.negative_binomial:NEGATIVE_BINOMIAL",
    original="log_nb_positive",
    in_scvi=True,
    module="nb",
    probability=r"\frac{\Gamma(x+\theta)}{\Gamma(\theta)\,"
    r"\Gamma(x+1)} \left(\frac{\theta}{\theta+\mu}\right)^\theta"
    r"\left(\frac{\mu}{\theta+\mu}\right)^x",
    tail=r"I_{\theta/(\theta+\mu)}(\theta, \lfloor x \rfloor + 1)",
    has_scale=True,
    notes={
        **_texts.ORIGINAL_NB,
        "log_prob": "The variance is mu + mu**2 / theta.",
        "log_cdf": "I is the regularized incomplete beta function (DLMF 8.17); "
        "`jaxnb.cdf.quadrature` documents the method.",
        "log_cdf accuracy": _texts.TAIL_ACCURACY,
        "log_interval accuracy": _texts.INTERVAL_ACCURACY,
        "entropy accuracy": _texts.ENTROPY_ACCURACY,
        "class": _texts.TREE,
        "class end": _texts.LOG_SCALE,
        "torch class end": _texts.KEPT,
        "sampler": "A gamma deviate of shape theta and mean mu, then a Poisson count of that rate.",
    },
)

ZINB = Declaration(
    stem="zinb",
    name="zero_inflated_negative_binomial",
    class_name="ZeroInflatedNegativeBinomial",
    under="a zero-inflated negative binomial distribution",
    counts="Negative binomial counts with extra zeros.",
    moments=(
        "With p the probability of an extra zero, m and v the mean and variance of the negative "
        "binomial, the mean is (1 - p) m and the variance (1 - p) (v + p m**2). The mode is 0 or "
        "that of the negative binomial, whichever is more probable."
    ),
    parameters=(
        _mean("Mean of the negative binomial part"),
        _dispersion(),
        _log_odds(
            "pi",
            "zi_logits",
            "an extra zero",
            "Log-odds of an extra zero. -inf is the plain negative binomial, inf a point mass at "
            "zero.",
            "zi_probs",
        ),
    ),
    likelihood="jaxnb.likelihoods.zero_inflated_kernel:ZERO_INFLATED",
    original="log_zinb_positive",
    in_scvi=True,
    original_synonyms="ZeroInflationName",
    module="zinb",
    synonyms="ZeroInflationNameOfClasses",
    probability=r"\sigma(\pi)\,[x = 0] + \sigma(-\pi)\,\mathrm{NB}(x; \mu, \theta)",
    tail=r"\sigma(\pi) + \sigma(-\pi)\,F(x; \mu, \theta)",
    condition=r"x \ge 0",
    class_synonyms="ZeroInflationNameOfClasses",
    has_scale=True,
    part=" of the negative binomial part",
    torch_base="NegativeBinomial",
    notes={
        **_texts.ORIGINAL_ZINB,
        "log_interval accuracy": _texts.INTERVAL_ACCURACY,
        "formula": r"with :math:`\pi` = `zi_logits` and :math:`\sigma` the logistic function.",
        "sampler": "Whether a draw is an extra zero is decided once for each draw.",
    },
)

MIXTURE_NB = Declaration(
    stem="mixture_nb",
    name="negative_binomial_mixture",
    class_name="NegativeBinomialMixture",
    under="a mixture of two negative binomials",
    counts="Counts from one of two negative binomials, chosen for every count.",
    moments=(
        "The mean is that of the components' means m1 and m2, weighted by their probabilities w1 "
        "and w2; the variance is that of their variances plus w1 w2 (m1 - m2)**2. The mode lies "
        "between those of the components and is found by a search."
    ),
    parameters=(
        _mean("Mean of component 1", "_1"),
        _mean("Mean of component 2", "_2"),
        Parameter("theta_1", "theta1", "Inverse dispersion of component 1, theta_1 >= 0."),
        Parameter(
            "theta_2",
            "theta2",
            "Inverse dispersion of component 2; that of component 1 if not given.",
            default="theta_1",
        ),
        _log_odds(
            "pi_logits",
            "mixture_logits",
            "component 1",
            "Log-odds of component 1, infinite or not.",
        ),
    ),
    likelihood="jaxnb.likelihoods.mixture_kernel:MIXTURE",
    original="log_mixture_nb",
    in_scvi=True,
    original_synonyms="MixtureNames",
    module="mixture_nb",
    synonyms="MixtureNamesOfLogProb",
    probability=r"\sigma(q)\,\mathrm{NB}(x; \mu_1, \theta_1)"
    r" + \sigma(-q)\,\mathrm{NB}(x; \mu_2, \theta_2)",
    tail=r"\sigma(q)\,F(x; \mu_1, \theta_1) + \sigma(-q)\,F(x; \mu_2, \theta_2)",
    class_synonyms="MixtureNamesOfClasses",
    notes={
        **_texts.ORIGINAL_MIXTURE_NB,
        "log_interval accuracy": _texts.INTERVAL_ACCURACY,
        "formula": r"with q = `mixture_logits` and :math:`\sigma` the logistic function.",
        "sampler": "The component is chosen once for each draw. A NaN or negative parameter of the "
        "other one makes the draw invalid, too.",
    },
)

ZERO_TRUNCATED_NB = Declaration(
    stem="zero_truncated_nb",
    name="zero_truncated_negative_binomial",
    class_name="ZeroTruncatedNegativeBinomial",
    under="a negative binomial distribution without its zeros",
    counts="Negative binomial counts without the zeros.",
    moments=(
        "The mean is mu / (1 - p_0), p_0 the probability of 0 before truncation, which tends to 1 "
        "as mu tends to 0. All functions are accurate there, too."
    ),
    parameters=(
        _mean("Mean before truncation", note=" At 0 the distribution is the point mass at 1."),
        _dispersion("Inverse dispersion, theta > 0, infinity included."),
    ),
    likelihood="jaxnb.likelihoods.zero_truncated_kernel:ZERO_TRUNCATED",
    original="log_zero_truncated_nb",
    module="zero_truncated_nb",
    probability=r"\frac{\mathrm{NB}(x; \mu, \theta)}{1 - \mathrm{NB}(0; \mu, \theta)}",
    tail=r"\frac{F(x; \mu, \theta) - F(0; \mu, \theta)}{1 - F(0; \mu, \theta)}",
    condition=r"x \ge 1",
    lowest=1,
    part=" before truncation",
    notes={
        "original": "The parameters are those of the negative binomial that is truncated; the "
        "mean is larger than mu. At theta = 0 there is no distribution, and every log-"
        "probability is -inf.",
        "original returns": ". -inf unless x is a whole number from 1 on; NaN where an argument"
        " is NaN or a parameter negative. First and second derivatives in the parameters have "
        "closed forms; those in x are 0.",
        "original accuracy": "Accuracy as for `log_nb_positive`, however small mu is "
        "(`tests/likelihoods/test_truncated.py`); of second derivatives, half are within one "
        "rounding and 95% within ten (`tests/likelihoods/test_hessians.py`).",
        "log_cdf": "Where theta is small and most of the probability lies above x, relative "
        "accuracy is that of F(x) - F(0): it loses the digits that these share.",
        "log_interval accuracy": _texts.INTERVAL_ACCURACY_WITHOUT_ZEROS,
        "sampler": "Nothing is rejected, so that a small mean costs no more than a large one. 1 "
        "where mu = 0; invalid where theta = 0, at which there is no distribution.",
    },
    has_floor=False,
)

HURDLE_NB = Declaration(
    stem="hurdle_nb",
    name="hurdle_negative_binomial",
    class_name="HurdleNegativeBinomial",
    under="a hurdle model",
    counts="A zero, or a zero-truncated negative binomial count.",
    moments=(
        "With zero inflation, zeros come from both parts; here they come from one, so that their "
        "number and the positive counts are fitted independently. With p the probability of a "
        "zero, m and v the mean and variance of the positive counts, the mean is (1 - p) m and the "
        "variance (1 - p) (v + p m**2)."
    ),
    parameters=(
        _mean("Mean of the negative binomial before truncation"),
        _dispersion("Inverse dispersion, theta > 0, infinity included."),
        _log_odds("pi", "zi_logits", "a zero", "Log-odds of a zero, infinite or not.", "zi_probs"),
    ),
    likelihood="jaxnb.likelihoods.hurdle:HURDLE",
    original="log_hurdle_nb",
    original_synonyms="ZeroInflationName",
    module="hurdle_nb",
    synonyms="ZeroInflationNameOfClasses",
    probability=r"\sigma(\pi)\,[x = 0] + \sigma(-\pi)\,[x \ge 1]\,"
    r"\frac{\mathrm{NB}(x; \mu, \theta)}{1 - \mathrm{NB}(0; \mu, \theta)}",
    tail=r"\sigma(\pi) + \sigma(-\pi)\,"
    r"\frac{F(x; \mu, \theta) - F(0; \mu, \theta)}{1 - F(0; \mu, \theta)}",
    condition=r"x \ge 0",
    class_synonyms="ZeroInflationNameOfClasses",
    part=" before truncation",
    notes={
        "original returns": ", as `log_zero_truncated_nb`; -inf unless x is a whole number from"
        " 0 on.",
        "original references": "Mullahy (1986), Specification and testing of some modified "
        "count data models.",
        "formula": r"with :math:`\pi` = `zi_logits` and :math:`\sigma` the logistic function.",
        "log_interval accuracy": _texts.INTERVAL_ACCURACY_WITHOUT_ZEROS,
        "sampler": "A zero, or a draw of `zero_truncated_negative_binomial`.",
    },
    has_floor=False,
)

POISSON = NB.limit("poisson", "a Poisson distribution", theta="inf")

ZIP = ZINB.limit("zip", "a zero-inflated Poisson distribution", theta="inf")

DECLARATIONS: tuple[Declaration, ...] = (
    NB,
    POISSON,
    ZINB,
    ZIP,
    MIXTURE_NB,
    ZERO_TRUNCATED_NB,
    HURDLE_NB,
)
"""Every distribution of the package, with the limits that have functions of their own."""


def original_names() -> list[str]:
    """The names of the log-probability functions in scvi-tools' pattern."""
    return sorted(d.original for d in DECLARATIONS if d.original and not d.limit_of)


def public_functions(kinds: tuple[str, ...]) -> list[str]:
    """The names of the functions of these kinds, of every distribution."""
    return sorted(f"{declared.stem}_{kind}" for declared in DECLARATIONS for kind in kinds)
