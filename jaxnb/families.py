"""The table of distributions: what each one is called, takes and can compute.

Everything that treats the distributions alike reads this table: the NumPyro classes, the torch
bridge, the fits, the benchmarks and the tests. A new distribution is a kernel in
`jaxnb.likelihoods`, a sampler in `jaxnb.random`, an entry here, and a class with its docstring in
`jaxnb.distributions`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce, wraps
from operator import add
from typing import Any, Literal

from jaxnb import cdf, moments, random
from jaxnb._types import Array, ArrayLike
from jaxnb.cdf import nb_kernel, truncated_kernels, two_components
from jaxnb.cdf.calls import Kernel
from jaxnb.likelihoods import (
    log_hurdle_nb,
    log_mixture_nb,
    log_nb_positive,
    log_zero_truncated_nb,
    log_zinb_positive,
)
from jaxnb.likelihoods.arguments import Scales
from jaxnb.likelihoods.derivatives import Derivative
from jaxnb.likelihoods.deviance import nb_deviance, zinb_deviance
from jaxnb.likelihoods.evaluate import VALUE
from jaxnb.likelihoods.hurdle import HURDLE
from jaxnb.likelihoods.mixture_kernel import MIXTURE
from jaxnb.likelihoods.negative_binomial import NEGATIVE_BINOMIAL as NB
from jaxnb.likelihoods.primitives import outputs
from jaxnb.likelihoods.zero_inflated_kernel import ZERO_INFLATED
from jaxnb.likelihoods.zero_truncated_kernel import ZERO_TRUNCATED

__all__ = [
    "FAMILIES",
    "HURDLE_NEGATIVE_BINOMIAL",
    "NEGATIVE_BINOMIAL",
    "NEGATIVE_BINOMIAL_MIXTURE",
    "ZERO_INFLATED_NEGATIVE_BINOMIAL",
    "ZERO_TRUNCATED_NEGATIVE_BINOMIAL",
    "Constraint",
    "Family",
    "Parameter",
    "tied",
]

Constraint = Literal["nonnegative", "extended real"]
"""What a parameter may be: at least 0, infinity included; or any number but NaN."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a distribution.

    Attributes:
        name: Its keyword in the log-probability function.
        attribute: Its keyword and attribute in the classes.
        constraint: The values that it may have.
        has_log_scale: Whether the logarithm may be given instead, under the name with "log_" in
            front.
        default: The name of the parameter whose value it takes where it is None.
    """

    name: str
    attribute: str
    constraint: Constraint
    has_log_scale: bool = False
    default: str | None = None

    @property
    def log_name(self) -> str | None:
        """The keyword of the logarithm in the log-probability function, if there is one."""
        return f"log_{self.name}" if self.has_log_scale else None

    @property
    def log_attribute(self) -> str | None:
        """The keyword of the logarithm in the classes, if there is one."""
        return f"log_{self.attribute}" if self.has_log_scale else None


@dataclass(frozen=True)
class Family:
    """A distribution as functions of its parameters, which are in the order of `parameters`.

    Attributes:
        name: The name of the distribution, and of its sampler in `jaxnb.random`.
        class_name: The name of its classes, here and in the torch bridge.
        parameters: Its parameters.
        log_prob: The public function of (x, *parameters, eps).
        outputs: The kernel. Of places and arguments that are cast to one dtype and aligned,
            (x, *parameters, eps, scales), it returns the log-probability for the place `VALUE`, and
            for others its derivatives in the arguments there. `scales` has one entry for each
            parameter with a log scale.
        sampler: Of (key, *parameters, shape, dtype).
        mean: Of the parameters; `xp=torch` for tensors.
        variance: Likewise.
        mode: Of the parameters, for arrays only.
        log_cdf: The public function of (x, *parameters), log P(X <= x); None if there is none, and
            so for the next four.
        log_sf: log P(X > x).
        log_interval: The public function of (low, high, *parameters), log P(low <= X <= high).
        cdf: P(X <= x).
        sf: P(X > x).
        quantile: The public function of (q, *parameters), the smallest x with P(X <= x) >= q.
        entropy: The public function of the parameters.
        deviance: The public function of (x, *parameters), the unit deviance.
        kernel: The distribution functions as a kernel, from which those of the truncated
            distribution are made; None if there are none.
    """

    name: str
    class_name: str
    parameters: tuple[Parameter, ...]
    log_prob: Callable[..., Array]
    outputs: Callable[..., list[Array]]
    sampler: Callable[..., Array]
    mean: Callable[..., Any]
    variance: Callable[..., Any]
    mode: Callable[..., Array]
    log_cdf: Callable[..., Array] | None = None
    log_sf: Callable[..., Array] | None = None
    log_interval: Callable[..., Array] | None = None
    cdf: Callable[..., Array] | None = None
    sf: Callable[..., Array] | None = None
    quantile: Callable[..., Array] | None = None
    entropy: Callable[..., Array] | None = None
    deviance: Callable[..., Array] | None = None
    kernel: Kernel | None = None

    @property
    def function_name(self) -> str:
        """The name of the log-probability function, here and in the torch bridge."""
        return self.log_prob.__name__

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of the tensor arguments of the log-probability function."""
        return ("x", *(parameter.name for parameter in self.parameters))

    def with_derivatives(self, *arguments: Any) -> tuple[Array, list[Derivative]]:
        """The log-probability, and its derivatives in x and each parameter, when called."""

        def output(place: int) -> Array:
            return self.outputs((place,), *arguments)[0]

        return output(VALUE), [partial(output, k) for k in range(1 + len(self.parameters))]

    def on_scales(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters as a kernel takes them: (itself, its logarithm), or itself.

        Args:
            arguments: Keywords of the log-probability function, of which one that is missing or
                None has its default.
        """
        pairs: dict[str, Any] = {}
        for p in self.parameters:
            pair = arguments.get(p.name), arguments.get(p.log_name or "")
            if pair == (None, None) and p.default is not None:
                pairs[p.name] = pairs[p.default]
            else:
                pairs[p.name] = pair if p.has_log_scale else pair[0]
        return pairs

    @property
    def lowest(self) -> int:
        """The smallest count."""
        return 0 if self.kernel is None else self.kernel.lowest

    @property
    def linear_scales(self) -> Scales:
        """The scales of the kernel where no logarithm is given."""
        return tuple("linear" for parameter in self.parameters if parameter.has_log_scale)


def tied(family: Family) -> Family:
    """The family without its optional parameters: each is the one that it takes its value from.

    Its kernel gives the same array to both, so that what depends on that array alone is computed
    once; the derivative is the sum of the two.
    """
    kept = tuple(parameter for parameter in family.parameters if parameter.default is None)
    index = {parameter.name: place for place, parameter in enumerate(kept)}
    sources = [index[parameter.default or parameter.name] for parameter in family.parameters]

    def spread(values: Sequence[Any]) -> list[Any]:
        return [values[source] for source in sources]

    def with_none(values: Sequence[Any]) -> list[Any]:
        given = dict(zip((parameter.name for parameter in kept), values, strict=True))
        return [given.get(parameter.name) for parameter in family.parameters]

    def without_optional(function: Any) -> Any:
        """A function of (x, *parameters) that takes the kept parameters alone, or None as it is."""
        return without_optional_after(1, function)

    def without_optional_after(number: int, function: Any) -> Any:
        """The same of a function that takes as many other arguments before the parameters."""

        @wraps(function)
        def of_kept(*given: ArrayLike, **options: Any) -> Array:
            value: Array = function(*given[:number], *with_none(given[number:]), **options)
            return value

        return of_kept if function else None

    def outputs(places: Sequence[int], x: Array, *arguments: Any) -> list[Array]:
        *values, eps, scales = arguments
        scaled = [parameter.has_log_scale for parameter in kept]
        remaining = iter(scales)
        scale_of = [next(remaining) if has_log_scale else None for has_log_scale in scaled]
        every_scale = tuple(scale for scale in spread(scale_of) if scale is not None)
        parts = [
            [1 + k for k, source in enumerate(sources) if 1 + source == place] or [place]
            for place in places
        ]
        every = tuple(part for of_place in parts for part in of_place)
        found = iter(family.outputs(every, x, *spread(values), eps, every_scale))
        return [reduce(add, [next(found) for _ in of_place]) for of_place in parts]

    return replace(
        family,
        name=f"{family.name}_tied",
        parameters=kept,
        outputs=outputs,
        entropy=None,
        log_prob=without_optional(family.log_prob),
        sampler=without_optional(family.sampler),
        log_cdf=without_optional(family.log_cdf),
        log_sf=without_optional(family.log_sf),
        log_interval=without_optional_after(2, family.log_interval),
        cdf=without_optional(family.cdf),
        sf=without_optional(family.sf),
        quantile=without_optional(family.quantile),
        mean=lambda *values, **options: family.mean(*spread(values), **options),
        variance=lambda *values, **options: family.variance(*spread(values), **options),
        mode=lambda *values: family.mode(*spread(values)),
    )


_MU = Parameter("mu", "mu", "nonnegative", has_log_scale=True)
_THETA = Parameter("theta", "theta", "nonnegative", has_log_scale=True)


NEGATIVE_BINOMIAL = Family(
    name="negative_binomial",
    class_name="NegativeBinomial",
    parameters=(_MU, _THETA),
    log_prob=log_nb_positive,
    outputs=partial(outputs, NB),
    sampler=random.negative_binomial,
    mean=moments.nb_mean,
    variance=moments.nb_variance,
    mode=moments.nb_mode,
    log_cdf=cdf.nb_log_cdf,
    log_sf=cdf.nb_log_sf,
    log_interval=cdf.nb_log_interval,
    cdf=cdf.nb_cdf,
    sf=cdf.nb_sf,
    quantile=cdf.nb_quantile,
    entropy=cdf.nb_entropy,
    deviance=nb_deviance,
    kernel=nb_kernel.NEGATIVE_BINOMIAL,
)

ZERO_INFLATED_NEGATIVE_BINOMIAL = Family(
    name="zero_inflated_negative_binomial",
    class_name="ZeroInflatedNegativeBinomial",
    parameters=(_MU, _THETA, Parameter("pi", "zi_logits", "extended real")),
    log_prob=log_zinb_positive,
    outputs=partial(outputs, ZERO_INFLATED),
    sampler=random.zero_inflated_negative_binomial,
    mean=moments.zinb_mean,
    variance=moments.zinb_variance,
    mode=moments.zinb_mode,
    log_cdf=cdf.zinb_log_cdf,
    log_sf=cdf.zinb_log_sf,
    log_interval=cdf.zinb_log_interval,
    cdf=cdf.zinb_cdf,
    sf=cdf.zinb_sf,
    quantile=cdf.zinb_quantile,
    entropy=cdf.zinb_entropy,
    deviance=zinb_deviance,
    kernel=two_components.ZERO_INFLATED,
)

NEGATIVE_BINOMIAL_MIXTURE = Family(
    name="negative_binomial_mixture",
    class_name="NegativeBinomialMixture",
    parameters=(
        Parameter("mu_1", "mu1", "nonnegative", has_log_scale=True),
        Parameter("mu_2", "mu2", "nonnegative", has_log_scale=True),
        Parameter("theta_1", "theta1", "nonnegative", has_log_scale=True),
        Parameter("theta_2", "theta2", "nonnegative", has_log_scale=True, default="theta_1"),
        Parameter("pi_logits", "mixture_logits", "extended real"),
    ),
    log_prob=log_mixture_nb,
    outputs=partial(outputs, MIXTURE),
    sampler=random.negative_binomial_mixture,
    mean=moments.mixture_mean,
    variance=moments.mixture_variance,
    mode=moments.mixture_mode,
    log_cdf=cdf.mixture_nb_log_cdf,
    log_sf=cdf.mixture_nb_log_sf,
    log_interval=cdf.mixture_nb_log_interval,
    cdf=cdf.mixture_nb_cdf,
    sf=cdf.mixture_nb_sf,
    quantile=cdf.mixture_nb_quantile,
    entropy=cdf.mixture_nb_entropy,
    kernel=two_components.MIXTURE,
)

ZERO_TRUNCATED_NEGATIVE_BINOMIAL = Family(
    name="zero_truncated_negative_binomial",
    class_name="ZeroTruncatedNegativeBinomial",
    parameters=(_MU, _THETA),
    log_prob=log_zero_truncated_nb,
    outputs=partial(outputs, ZERO_TRUNCATED),
    sampler=random.zero_truncated_negative_binomial,
    mean=moments.zero_truncated_mean,
    variance=moments.zero_truncated_variance,
    mode=moments.zero_truncated_mode,
    log_cdf=cdf.zero_truncated_nb_log_cdf,
    log_sf=cdf.zero_truncated_nb_log_sf,
    log_interval=cdf.zero_truncated_nb_log_interval,
    cdf=cdf.zero_truncated_nb_cdf,
    sf=cdf.zero_truncated_nb_sf,
    quantile=cdf.zero_truncated_nb_quantile,
    entropy=cdf.zero_truncated_nb_entropy,
    kernel=truncated_kernels.ZERO_TRUNCATED,
)

HURDLE_NEGATIVE_BINOMIAL = Family(
    name="hurdle_negative_binomial",
    class_name="HurdleNegativeBinomial",
    parameters=(_MU, _THETA, Parameter("pi", "zi_logits", "extended real")),
    log_prob=log_hurdle_nb,
    outputs=partial(outputs, HURDLE),
    sampler=random.hurdle_negative_binomial,
    mean=moments.hurdle_mean,
    variance=moments.hurdle_variance,
    mode=moments.hurdle_mode,
    log_cdf=cdf.hurdle_nb_log_cdf,
    log_sf=cdf.hurdle_nb_log_sf,
    log_interval=cdf.hurdle_nb_log_interval,
    cdf=cdf.hurdle_nb_cdf,
    sf=cdf.hurdle_nb_sf,
    quantile=cdf.hurdle_nb_quantile,
    entropy=cdf.hurdle_nb_entropy,
    kernel=truncated_kernels.HURDLE,
)

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        NEGATIVE_BINOMIAL,
        ZERO_INFLATED_NEGATIVE_BINOMIAL,
        NEGATIVE_BINOMIAL_MIXTURE,
        ZERO_TRUNCATED_NEGATIVE_BINOMIAL,
        HURDLE_NEGATIVE_BINOMIAL,
    )
}
"""Every distribution of the package, by name."""
