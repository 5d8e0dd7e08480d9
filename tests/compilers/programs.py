"""What is compiled: every public function, with its derivatives, from the declarations.

A distribution that is declared is in the list without a line here.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import jax
from inner import of_fits, of_regression

from jaxnb import cdf, distributions, families, likelihoods, random, residuals
from jaxnb.declaration import Parameter
from jaxnb.declarations import DECLARATIONS

__all__ = ["Array", "Program", "every_program"]

ROWS, COLUMNS = 1024, 2000
DEVICES = 4
# What is compiled by default.
_OFTEN = (
    "*_log_prob value",
    "nb_log_prob value, full theta",
    "nb_log_prob gradient*",
    "zinb_log_prob gradient",
    "mixture_nb_log_prob gradient",
    "nb_log_prob product",
    "nb_log_cdf value",
    "nb_quantile",
    "nb_entropy value",
    "negative_binomial",
)
_SELDOM = ("poisson_*", "zip_*", "*int32", "*only", "*logarithms", "*float64", "*_mixture*")


@dataclass(frozen=True)
class Array:
    """The type of an argument.

    Attributes:
        shape: Its shape.
        dtype: Its dtype, None for the program's.
        by_rows: Whether its rows are spread, where there are several devices.
    """

    shape: tuple[int, ...]
    dtype: Any = None
    by_rows: bool = True


FULL = Array((ROWS, COLUMNS))
BY_COLUMN = Array((COLUMNS,), by_rows=False)


@dataclass(frozen=True)
class Program:
    """A function to be compiled.

    Attributes:
        name: What it is, the name of the public function first.
        kind: "likelihood", "tail", "loop" or "inner": which rules it must keep.
        function: Of the arguments.
        arguments: Their types, a tree of `Array`.
        dtype: Of the floats.
        devices: The number of devices over which rows are spread.
    """

    name: str
    kind: str
    function: Callable[..., Any]
    arguments: Any
    dtype: str = "float32"
    devices: int = 1

    @property
    def often(self) -> bool:
        """Whether it is compiled by default."""
        return _any(_OFTEN, self.name) and not _any(_SELDOM, self.name)

    def spread(self) -> "Program":
        """The same over several devices."""
        return replace(self, name=f"{self.name}, {DEVICES} devices", devices=DEVICES)

    def double(self) -> "Program":
        """The same in float64."""
        return replace(self, name=f"{self.name}, float64", dtype="float64")


def _any(patterns: tuple[str, ...], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def every_program() -> list[Program]:
    """All of them.

    Raises:
        ValueError: If a public function has none.
    """
    found = [program for group in _GROUPS for program in group()]
    public = {*likelihoods.__all__, *cdf.__all__, *random.__all__, *residuals.__all__}
    missing = public - {program.name.split()[0] for program in found}
    if missing:
        raise ValueError(f"no program for {', '.join(sorted(missing))}")
    return found


# -- derivatives ----------------------------------------------------------------------------------


def _total(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    return lambda *arguments: function(*arguments).sum()


def _with_gradient(function: Callable[..., jax.Array], arguments: int) -> Callable[..., Any]:
    return jax.value_and_grad(_total(function), tuple(range(1, arguments)))


def _product(function: Callable[..., jax.Array], arguments: int) -> Callable[..., Any]:
    """Hessian times vector; the vector after the arguments."""

    def product(*operands: jax.Array) -> Any:
        x, *parameters = operands[:arguments]
        gradient = jax.grad(partial(_total(function), x), tuple(range(arguments - 1)))
        return jax.jvp(gradient, tuple(parameters), operands[arguments:])[1]

    return product


def _orders(
    name: str, kind: str, function: Callable[..., jax.Array], arguments: list[Array]
) -> Iterator[Program]:
    number = len(arguments)
    yield Program(f"{name} value", kind, function, arguments)
    yield Program(f"{name} gradient", kind, _with_gradient(function, number), arguments)
    yield Program(f"{name} product", kind, _product(function, number), [*arguments, *arguments[1:]])


# -- the public functions -------------------------------------------------------------------------


def _parameters(names: Sequence[str]) -> list[Array]:
    """Thetas by column, all else of full size."""
    return [BY_COLUMN if name.startswith("theta") else FULL for name in names]


def _likelihoods() -> Iterator[Program]:
    for declared in DECLARATIONS:
        name = f"{declared.stem}_log_prob"
        names = [parameter.name for parameter in declared.public]
        arguments = [FULL, *_parameters(names)]
        by_order = list(_orders(name, "likelihood", getattr(likelihoods, name), arguments))
        yield from by_order
        if declared.limit_of:
            continue
        yield by_order[1].spread()
        yield by_order[1].double()
        on_logs = partial(_of_logarithms, getattr(likelihoods, name), declared.public)
        gradient = _with_gradient(on_logs, len(arguments))
        yield Program(f"{name} gradient of logarithms", "likelihood", gradient, arguments)
        other = declared.log_prob
        yield Program(f"{other} value", "likelihood", getattr(likelihoods, other), arguments)


def _of_logarithms(
    function: Callable[..., jax.Array],
    parameters: Sequence[Parameter],
    x: jax.Array,
    *values: jax.Array,
) -> jax.Array:
    names = [p.log_name or p.keyword for p in parameters]
    return function(x, **dict(zip(names, values, strict=True)))


def _of_full_theta() -> Iterator[Program]:
    function = likelihoods.nb_log_prob
    value, gradient, product = _orders("nb_log_prob", "likelihood", function, [FULL] * 3)
    for program in (value, gradient, product):
        yield replace(program, name=f"{program.name}, full theta")
    only = jax.grad(_total(function), (1, 2))
    yield Program("nb_log_prob gradient only", "likelihood", only, [FULL, FULL, BY_COLUMN])
    integers = [Array(FULL.shape, "int32"), FULL, BY_COLUMN]
    yield Program("nb_log_prob gradient, int32", "likelihood", gradient.function, integers)


def _deviances() -> Iterator[Program]:
    for name in likelihoods.__all__:
        if name.endswith("_deviance"):
            function = getattr(likelihoods, name)
            kinds = [
                parameter.kind for parameter in inspect.signature(function).parameters.values()
            ]
            number = kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD)
            arguments = [FULL, FULL, BY_COLUMN, *[FULL] * (number - 3)]
            yield from list(_orders(name, "likelihood", function, arguments))[:2]


def _distribution_functions() -> Iterator[Program]:
    for declared in DECLARATIONS:
        parameters = _parameters([parameter.name for parameter in declared.public])
        for kind in ("log_cdf", "log_sf", "cdf", "sf", "log_interval"):
            name = f"{declared.stem}_{kind}"
            function = getattr(cdf, name, None)
            if function is None:
                continue
            first = [FULL, FULL] if kind == "log_interval" else [FULL]
            rules = "loop" if kind == "log_interval" else "tail"
            by_order = list(_orders(name, rules, function, [*first, *parameters]))[:2]
            yield from by_order
            if kind == "log_cdf":
                yield by_order[1].spread()
                yield by_order[1].double()
        quantile = Program(
            f"{declared.stem}_quantile",
            "loop",
            getattr(cdf, f"{declared.stem}_quantile"),
            [FULL, *parameters],
        )
        yield quantile
        yield quantile.spread()
        if hasattr(cdf, f"{declared.stem}_entropy"):
            function = getattr(cdf, f"{declared.stem}_entropy")
            entropy = Program(f"{declared.stem}_entropy value", "loop", function, parameters)
            yield entropy
            yield entropy.spread()
            gradient = jax.value_and_grad(_total(function), tuple(range(len(parameters))))
            yield replace(entropy, name=f"{declared.stem}_entropy gradient", function=gradient)


def _divergence() -> Iterator[Program]:
    arguments = [FULL, BY_COLUMN, FULL, BY_COLUMN]
    function = cdf.nb_kl_divergence
    yield Program("nb_kl_divergence value", "loop", function, arguments)
    gradient = jax.value_and_grad(_total(function), tuple(range(4)))
    yield Program("nb_kl_divergence gradient", "loop", gradient, arguments)


def _samplers() -> Iterator[Program]:
    key = Array((), "key", by_rows=False)
    samplers = {"gamma": ["a"], "poisson": ["lam"]} | {
        name: [parameter.name for parameter in family.parameters]
        for name, family in families.FAMILIES.items()
    }
    for name, names in samplers.items():
        draw = partial(_draw, getattr(random, name))
        program = Program(name, "loop", draw, [key, *_parameters(names)])
        yield program
        yield program.spread()


def _draw(sampler: Callable[..., jax.Array], key: jax.Array, *parameters: jax.Array) -> jax.Array:
    return sampler(key, *parameters, shape=FULL.shape)


def _residuals() -> Iterator[Program]:
    key = Array((), "key", by_rows=False)

    def of(name: str, *given: Any) -> jax.Array:
        *before, x, mu, theta = given
        return getattr(distributions.NegativeBinomial(mu=mu, theta=theta), name)(*before, x)

    for name in residuals.__all__:
        if name.endswith("residuals"):
            before = [key] if name == "quantile_residuals" else []
            yield Program(name, "tail", partial(of, name), [*before, FULL, FULL, BY_COLUMN])


def _inner() -> Iterator[Program]:
    for name, (function, arguments) in (of_fits(Array) | of_regression(Array)).items():
        yield Program(name, "inner", function, arguments, dtype="float64")


_GROUPS = (
    _likelihoods,
    _of_full_theta,
    _deviances,
    _distribution_functions,
    _divergence,
    _samplers,
    _residuals,
    _inner,
)
