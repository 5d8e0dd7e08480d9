"""What each distribution is called, takes and is made of: said once, here.

The functions that differ between distributions by their names, parameters and kernels alone are
written from this table by `python -m jaxnb._generate`: the log-probabilities of
`jaxnb.likelihoods.log_prob` and `jaxnb.torch_bridge.log_prob`, the distribution functions and
entropies of `jaxnb.cdf.functions`, and the samplers of `jaxnb.random.distributions`.
`jaxnb.families` puts the same declarations together with what is computed.

Kernels are given by their addresses, "module:name", so that the table needs none of the modules
that are written from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

__all__ = [
    "DECLARATIONS",
    "HURDLE_NB",
    "MIXTURE_NB",
    "NB",
    "POISSON",
    "ZERO_TRUNCATED_NB",
    "ZINB",
    "ZIP",
    "Constraint",
    "Declaration",
    "Parameter",
    "public_functions",
]

Constraint = Literal["nonnegative", "extended real"]
"""What a parameter may be: at least 0, infinity included; or any number but NaN."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a distribution.

    Attributes:
        name: Its keyword in the original's log-probability function, and the kernel's name for it.
        attribute: Its keyword and attribute in the classes.
        description: What it is, for the docstrings.
        constraint: The values that it may have.
        has_log_scale: Whether the logarithm may be given instead, under the name with "log_" in
            front.
        default: The name of the parameter whose value it takes where it is None.
        event: What it is the log-odds of, if it is that of something.
        probability: The keyword of the probability, which the classes take instead, if they do.
    """

    name: str
    attribute: str
    description: str
    constraint: Constraint = "nonnegative"
    has_log_scale: bool = True
    default: str | None = None
    event: str | None = None
    probability: str | None = None

    @property
    def keyword(self) -> str:
        """Its keyword in the functions that are generated."""
        return self.name if self.has_log_scale else self.attribute

    @property
    def log_name(self) -> str | None:
        """The keyword of the logarithm in the log-probability function, if there is one."""
        return f"log_{self.name}" if self.has_log_scale else None

    @property
    def log_attribute(self) -> str | None:
        """The keyword of the logarithm in the classes, if there is one."""
        return f"log_{self.attribute}" if self.has_log_scale else None


@dataclass(frozen=True)
class Declaration:
    """A distribution.

    Attributes:
        stem: The start of the names of its functions.
        name: Its name, and that of its sampler in `jaxnb.random`.
        class_name: The name of its classes, here and in the torch bridge.
        under: What a count is under, in a sentence.
        counts: What the counts are, the first line of the classes' docstrings.
        moments: The mean, the variance and the mode, for these docstrings.
        parameters: Its parameters, in the order in which its kernels take them.
        log_prob: The name of the log-probability function that has scvi-tools' pattern, or its
            like.
        compiled: The address of the log-probability of arguments that are checked.
        kernel: The address of the kernel of the distribution functions.
        entropy: The address of the entropy of arguments that are checked.
        rate: The address of the rate, or the count, that the sampler draws.
        synonyms: The class in `jaxnb._names` of the other names of parameters, if there are any.
        class_synonyms: The same for the classes.
        probability: The probability of a count, as a formula.
        tail: The probability that a count is at most x, as a formula.
        condition: For which x the formulas hold, if not for all.
        notes: What a docstring says besides, by kind of function.
        has_floor: Whether the means have a floor unless `eps` says otherwise.
        has_scale: Whether the classes carry normalized expression along, as scvi-tools' do.
        lowest: The smallest count.
        part: Of which negative binomial the mean is, for the docstrings; "" if it is all there is.
        torch_base: The class of the bridge that is derived from, if not that of its parameters.
        fixed: Parameters with the value that they have here. Such a distribution is the limit of
            another one, has no sampler, entropy or class, and its docstrings refer to that one.
        limit_of: The stem of that one.
    """

    stem: str
    name: str
    class_name: str
    under: str
    counts: str
    moments: str
    parameters: tuple[Parameter, ...]
    log_prob: str
    compiled: str
    kernel: str
    entropy: str
    rate: str
    probability: str
    tail: str
    condition: str = ""
    synonyms: str | None = None
    class_synonyms: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    has_floor: bool = True
    has_scale: bool = False
    lowest: int = 0
    part: str = ""
    torch_base: str | None = None
    fixed: Mapping[str, str] = field(default_factory=dict)
    limit_of: str | None = None

    @property
    def has_mean_and_theta(self) -> bool:
        """Whether the classes also take total_count with probs or logits."""
        return {"mu", "theta"} <= {p.attribute for p in self.parameters}

    @property
    def public(self) -> tuple[Parameter, ...]:
        """The parameters that are not fixed."""
        return tuple(p for p in self.parameters if p.name not in self.fixed)

    def limit(self, stem: str, under: str, **fixed: str) -> "Declaration":
        """The distribution with some of its parameters fixed."""
        return replace(self, stem=stem, under=under, fixed=fixed, limit_of=self.stem, notes={})


def _mean(description: str, suffix: str = "") -> Parameter:
    name, attribute = f"mu{suffix}", f"mu{suffix.removeprefix('_')}"
    return Parameter(name, attribute, f"{description}, {name} >= 0.")


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


_TAIL_ACCURACY = (
    "Accuracy, in units of ``max(1, abs(value)) * 2**-23`` (float32, ``2**-52`` in float64), over "
    "thetas from 1e-6 to 1e10, means from 1e-8 to 1e6 and counts up to 8e5: at most 6, 2.2 at "
    "the 99th percentile. The derivative in mu has a relative error below 3e-6 (6e-14 in float64) "
    "at the 99th percentile, that in theta one below 1e-6 (2e-14) of its own size plus that of the "
    "derivative of the log-probability. Parameters given by their logarithms carry the rounding of "
    "their exponentials (`tests/cdf/test_accuracy.py`)."
)

_ENTROPY_ACCURACY = (
    "Accuracy, for every mean and theta: the relative error is below 2e-5 in float32 (1.1e-5 seen) "
    "and 1e-9 in float64 (1.2e-11 seen); of mixtures, 1e-5 and 1e-6 (`tests/cdf/test_entropy.py`)."
)

_TREE = (
    "The parameters given are the leaves of the distribution as a tree, with leading axes of "
    "length 1 where their ranks differ; the other forms are computed from them when read. The "
    "batch shape is that of the parameters broadcast together.\n\n"
    "NaN among the numbers of a parameter stands for a missing one: it passes validation, and the "
    "log-probability is NaN there unless `mask` leaves it out."
)

_LOG_SCALE = (
    "`log_mu`, `log_theta` and `logits` are used as they are: the log-probability and its "
    "derivatives are finite also where exp underflows or overflows. With `mu`, the derivative is 0 "
    "below the floor, as that of the value is: Hamiltonian samplers and optimizers that can reach "
    "means below 1e-30 need `log_mu` or `logits`. The attribute `mu` is infinite where exp(log_mu) "
    "overflows, and so is a draw, as the largest integer."
)

_KEPT = (
    "The parameters broadcast, and are kept as views of the batch shape, on the scale on which "
    "they are given; (total_count, logits) is kept as log_mu and theta. They can be assigned."
)


NB = Declaration(
    stem="nb",
    name="negative_binomial",
    class_name="NegativeBinomial",
    under="a negative binomial distribution",
    counts="Negative binomial counts.",
    moments=(
        "The mean is mu, 0 where theta is 0; the variance is mu + mu**2 / theta, 0 there and mu at "
        "theta = inf. The mode is floor(mu (theta - 1) / theta) where theta > 1, the larger one of "
        "two, and else 0."
    ),
    parameters=(
        _mean("Mean, in counts"),
        _dispersion(
            "Inverse dispersion, theta >= 0. Infinity is Poisson's distribution, 0 a point mass at "
            "zero."
        ),
    ),
    log_prob="log_nb_positive",
    compiled="jaxnb.likelihoods.negative_binomial:compiled_nb",
    kernel="jaxnb.cdf.nb_kernel:NEGATIVE_BINOMIAL",
    entropy="jaxnb.cdf.entropy:of_nb",
    rate="jaxnb.random._counts:negative_binomial_rate",
    probability=r"\frac{\Gamma(x+\theta)}{\Gamma(\theta)\,"
    r"\Gamma(x+1)} \left(\frac{\theta}{\theta+\mu}\right)^\theta"
    r"\left(\frac{\mu}{\theta+\mu}\right)^x",
    tail=r"I_{\theta/(\theta+\mu)}(\theta, \lfloor x \rfloor + 1)",
    has_scale=True,
    notes={
        "log_prob": "The variance is mu + mu**2 / theta.",
        "log_cdf": "I is the regularized incomplete beta function (DLMF 8.17); "
        "`jaxnb.cdf.quadrature` documents the method.",
        "log_cdf accuracy": _TAIL_ACCURACY,
        "entropy accuracy": _ENTROPY_ACCURACY,
        "class": _TREE,
        "class end": _LOG_SCALE,
        "torch class end": _KEPT,
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
    log_prob="log_zinb_positive",
    compiled="jaxnb.likelihoods.zero_inflated:compiled_zinb",
    kernel="jaxnb.cdf.two_components:ZERO_INFLATED",
    entropy="jaxnb.cdf.entropy:of_zinb",
    rate="jaxnb.random._counts:zero_inflated_rate",
    synonyms="ZeroInflationNameOfClasses",
    probability=r"\sigma(\pi)\,[x = 0] + \sigma(-\pi)\,\mathrm{NB}(x; \mu, \theta)",
    tail=r"\sigma(\pi) + \sigma(-\pi)\,F(x; \mu, \theta)",
    condition=r"x \ge 0",
    class_synonyms="ZeroInflationNameOfClasses",
    has_scale=True,
    part=" of the negative binomial part",
    torch_base="NegativeBinomial",
    notes={
        "formula": r"with :math:`\pi` = `zi_logits` and :math:`\sigma` the logistic function.",
        "sampler": "Whether a draw is an extra zero is decided once for each draw.",
    },
)

MIXTURE_NB = Declaration(
    stem="mixture_nb",
    name="negative_binomial_mixture",
    class_name="NegativeBinomialMixture",
    under="a mixture of two negative binomials",
    counts="Counts from one of two negative binomials, chosen anew for every count.",
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
    log_prob="log_mixture_nb",
    compiled="jaxnb.likelihoods.mixture:compiled_mixture",
    kernel="jaxnb.cdf.two_components:MIXTURE",
    entropy="jaxnb.cdf.entropy:of_mixture",
    rate="jaxnb.random._counts:mixture_rate",
    synonyms="MixtureNamesOfLogProb",
    probability=r"\sigma(q)\,\mathrm{NB}(x; \mu_1, \theta_1)"
    r" + \sigma(-q)\,\mathrm{NB}(x; \mu_2, \theta_2)",
    tail=r"\sigma(q)\,F(x; \mu_1, \theta_1) + \sigma(-q)\,F(x; \mu_2, \theta_2)",
    class_synonyms="MixtureNamesOfClasses",
    notes={
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
        "as mu tends to 0. Everything is exact there, too."
    ),
    parameters=(
        _mean("Mean before truncation; at 0 the distribution is the point mass at 1"),
        _dispersion("Inverse dispersion, theta > 0, infinity included."),
    ),
    log_prob="log_zero_truncated_nb",
    compiled="jaxnb.likelihoods.zero_truncated:compiled_zero_truncated",
    kernel="jaxnb.cdf.truncated_kernels:ZERO_TRUNCATED",
    entropy="jaxnb.cdf.entropy:of_zero_truncated",
    rate="jaxnb.random._counts:zero_truncated_rate",
    probability=r"\frac{\mathrm{NB}(x; \mu, \theta)}{1 - \mathrm{NB}(0; \mu, \theta)}",
    tail=r"\frac{F(x; \mu, \theta) - F(0; \mu, \theta)}{1 - F(0; \mu, \theta)}",
    condition=r"x \ge 1",
    lowest=1,
    part=" before truncation",
    notes={
        "log_cdf": "Where theta is small and most of the probability lies above x, relative "
        "accuracy is that of F(x) - F(0): it loses the digits that these share.",
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
    log_prob="log_hurdle_nb",
    compiled="jaxnb.likelihoods.hurdle:compiled_hurdle",
    kernel="jaxnb.cdf.truncated_kernels:HURDLE",
    entropy="jaxnb.cdf.entropy:of_hurdle",
    rate="jaxnb.random._counts:hurdle_rate",
    synonyms="ZeroInflationNameOfClasses",
    probability=r"\sigma(\pi)\,[x = 0] + \sigma(-\pi)\,[x \ge 1]\,"
    r"\frac{\mathrm{NB}(x; \mu, \theta)}{1 - \mathrm{NB}(0; \mu, \theta)}",
    tail=r"\sigma(\pi) + \sigma(-\pi)\,"
    r"\frac{F(x; \mu, \theta) - F(0; \mu, \theta)}{1 - F(0; \mu, \theta)}",
    condition=r"x \ge 0",
    class_synonyms="ZeroInflationNameOfClasses",
    part=" before truncation",
    notes={
        "formula": r"with :math:`\pi` = `zi_logits` and :math:`\sigma` the logistic function.",
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


def public_functions(kinds: tuple[str, ...]) -> list[str]:
    """The names of the functions of these kinds, of every distribution."""
    return sorted(f"{declared.stem}_{kind}" for declared in DECLARATIONS for kind in kinds)
