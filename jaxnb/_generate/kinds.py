"""The kinds of functions that every distribution has: what they take, say and call."""

from dataclasses import dataclass, replace

__all__ = ["KINDS", "ORIGINAL", "SAMPLER", "TORCH_LOG_PROB", "TORCH_ORIGINAL", "Argument", "Kind"]


@dataclass(frozen=True)
class Argument:
    """An argument other than the parameters."""

    name: str
    type: str
    description: str
    default: str | None = None


@dataclass(frozen=True)
class Kind:
    """One kind of function.

    In the texts, {under}, {stem} and {floor} stand for what a distribution declares, {returns} for
    its note of the result, {log_prob} for the name of its log-probability function, {limits}
    for a reference to that where it is another one, and {infinite} and {at_zero} for what is true
    of an entropy if there is a mean.

    Attributes:
        name: The end of the functions' names.
        summary: The first line of the docstring.
        body: The expression that is returned; {of} is what the distribution declares of it.
        of: What the body needs of the distribution: "likelihood", or a name in its module.
        returns: What the docstring says of the result.
        formula: The formula in the docstring, where {probability} and {tail} are those declared.
        before: Arguments in front of the parameters.
        after: Arguments behind them.
        only: Arguments by keyword only.
        raises: Exceptions and when.
        is_original: Whether it is in scvi-tools' pattern.
        type: The type of a parameter.
        result: The type of the result.
        imports: Names that the body needs, by module.
    """

    name: str
    summary: str
    body: str
    of: str
    returns: str
    formula: str | None = None
    before: tuple[Argument, ...] = ()
    after: tuple[Argument, ...] = ()
    only: tuple[Argument, ...] = ()
    raises: tuple[tuple[str, str], ...] = ()
    is_original: bool = False
    type: str = "ArrayLike"
    result: str = "Array"
    imports: tuple[tuple[str, str], ...] = ()


_SCALES = (
    "TypeError",
    "A parameter is missing, or given on both scales; an argument is complex, or a sparse matrix, "
    "a table or a tensor.",
)
_SHAPES = ("ValueError", "The shapes do not broadcast.")
_RAISES = (_SCALES, _SHAPES)

_COUNT = Argument("x", "ArrayLike", "Counts, of any real, integer or boolean dtype.")
_ANY = Argument(
    "x",
    "ArrayLike",
    "Any real number, of any real, integer or boolean dtype. It is rounded down.",
)
_EPS = Argument("eps", "ArrayLike | None", "{floor}", "None")

_TAIL_EDGES = (
    "in the dtype that the floating arguments promote to (float16 and bfloat16 are computed in "
    "float32); NaN where an argument is NaN or a parameter is outside its range. The first and "
    "second derivatives in the parameters have closed forms, those in x are 0; higher ones are "
    "those of the closed forms."
)

_LOG_PROB = Kind(
    "log_prob",
    "Log-probability of counts under {under}.",
    'log_probability({of}, "{owner}", x, eps, **given)',
    "likelihood",
    "Log-probabilities in the dtype that the floating arguments promote to, with derivatives in "
    "the parameters and in x. -inf where the probability is 0, NaN where an argument is NaN or a "
    "parameter is outside its range.{limits}",
    r"\log\left({probability}\right)",
    before=(_COUNT,),
    only=(_EPS,),
    raises=_RAISES,
    imports=(("jaxnb.likelihoods.calls", "log_probability"),),
)


ORIGINAL = replace(
    _LOG_PROB,
    name="original",
    returns="Log-probabilities in the dtype that the floating arguments promote to{returns}",
    after=(_EPS,),
    only=(),
    is_original=True,
)
"""In scvi-tools' order of arguments."""


def _tail(name: str, summary: str, call: str, returns: str, formula: str | None = None) -> Kind:
    return Kind(
        name,
        summary,
        call,
        "KERNEL",
        returns + _TAIL_EDGES,
        formula,
        before=(_ANY,),
        raises=_RAISES,
        imports=(("jaxnb.cdf.calls", "log_tail"),),
    )


_TAILS = (
    _tail(
        "log_cdf",
        "Logarithm of P(X <= x) for {under}.",
        'log_tail({of}, "{owner}", False, x, **given)',
        "The logarithm of the probability, -inf below the lowest count, ",
        r"\log F(x) = \log\left({tail}\right)",
    ),
    _tail(
        "log_sf",
        "Logarithm of P(X > x) for {under}.",
        'log_tail({of}, "{owner}", True, x, **given)',
        "log(1 - F(x)), without the cancellation of 1 - F(x), ",
    ),
    _tail(
        "cdf",
        "P(X <= x) for {under}.",
        'jnp.exp(log_tail({of}, "{owner}", False, x, **given))',
        "The exponential of `{stem}_log_cdf`, with the absolute error of that as relative error, ",
    ),
    _tail(
        "sf",
        "P(X > x) for {under}.",
        'jnp.exp(log_tail({of}, "{owner}", True, x, **given))',
        "The exponential of `{stem}_log_sf`, with the absolute error of that as relative error, ",
    ),
)

_QUANTILE = Kind(
    "quantile",
    "The smallest x with P(X <= x) >= q for {under}.",
    'quantile({of}, "{owner}", q, log_q, upper, **given)',
    "KERNEL",
    "Whole numbers, in the dtype that the floating arguments promote to. They are computed in the "
    "arithmetic of `{stem}_cdf`: in one compiled program, F(x) >= q > F(x - 1) holds exactly "
    "(across programs to one unit in the last place, since XLA may round differently). The lowest "
    "count at q = 0, where SciPy has the number below it; infinity at q = 1 (in the upper tail, "
    "the other way round) and beyond 2**60; NaN where an argument is NaN or outside its range. "
    "Derivatives are 0.",
    before=(Argument("q", "ArrayLike | None", "Probability, 0 <= q <= 1.", "None"),),
    only=(
        Argument("log_q", "ArrayLike | None", "log(q), instead of `q`.", "None"),
        Argument(
            "upper",
            "bool",
            "Whether q is the probability of the upper tail: the smallest x with 1 - F(x) <= q.",
            "False",
        ),
    ),
    raises=_RAISES,
    imports=(("jaxnb.cdf.calls", "quantile"),),
)

_INTERVAL = Kind(
    "log_interval",
    "Logarithm of P(low <= X <= high) for {under}.",
    'log_interval({of}, "{owner}", low, high, **given)',
    "KERNEL",
    "The logarithm of the probability, both ends included, in the dtype that the floating "
    "arguments promote to. It is computed from the smaller tail, or where that cancels as a sum, "
    "never as a difference of two probabilities. -inf where the interval holds no count of "
    "positive probability, as for low > high; NaN where an argument is NaN or a parameter is "
    "outside its range. First and second derivatives in the parameters are those of the same form; "
    "those in the ends are 0.",
    before=(
        Argument(
            "low",
            "ArrayLike",
            "Any real number or -inf. It is rounded up: for low < X <= high, pass floor(low) + 1.",
        ),
        Argument("high", "ArrayLike", "The same, or infinity. It is rounded down."),
    ),
    raises=_RAISES,
    imports=(("jaxnb.cdf.interval", "log_interval"),),
)

_ENTROPY = Kind(
    "entropy",
    "The entropy of {under}, -E log P(X), in nats.",
    'entropy_of({of}, "{owner}", **given)',
    "entropy",
    "The entropy, with derivatives in the parameters. 0 where the distribution is a point mass, "
    "{infinite}NaN where a parameter is NaN or outside its range.{at_zero}",
    raises=_RAISES,
    imports=(("jaxnb.cdf.entropy", "entropy_of"),),
)

KINDS = (_LOG_PROB, *_TAILS, _QUANTILE, _INTERVAL, _ENTROPY)
"""Of arrays."""

SAMPLER = Kind(
    "sampler",
    "Draw counts from {under}.",
    '_counts.draw("{owner}", {of}, key, given, shape, dtype)',
    "rate",
    "An array of that shape and dtype. Infinity, or the maximum of an integer dtype, where the "
    "mean is infinite; NaN, or -1 in a signed integer dtype and 0 in an unsigned one, where a "
    "parameter is NaN or outside its range. Gradients are zero.",
    before=(
        Argument("key", "ArrayLike", "One key of jax.random, typed or raw, of any implementation."),
    ),
    after=(
        Argument(
            "shape",
            "Sequence[int] | None",
            "Shape of the result; that of the parameters broadcast together by default.",
            "None",
        ),
        Argument("dtype", "DTypeLike", "An integer or float dtype, as for `poisson`.", "int"),
    ),
    raises=(
        (
            "ValueError",
            "The parameters do not broadcast to shape, dtype is not a number, or key is several "
            "keys.",
        ),
        ("TypeError", "key is not a key, or a parameter is missing or given on both scales."),
    ),
    imports=(("jaxnb.random", "_counts"), ("collections.abc", "Sequence")),
)

TORCH_LOG_PROB = Kind(
    "log_prob",
    "Log-probability, on tensors, under {under}.",
    _LOG_PROB.body,
    "",
    "A tensor of the shape that the arguments broadcast to, on their device, in the dtype that the "
    "floating ones promote to by torch's rules. It can be differentiated in every floating "
    "argument, in reverse and forward mode, to any order. Edges and accuracy are those of "
    "`jaxnb.{log_prob}`.",
    r"\log\left({probability}\right)",
    before=(Argument("x", "Tensor", _COUNT.description),),
    only=(Argument("eps", "float | None", "{floor}", "None"),),
    raises=(
        (
            "TypeError",
            "A parameter is missing, or given on both scales; an argument is complex, sparse or "
            "quantized; or none is a tensor.",
        ),
        ("ValueError", "The shapes do not broadcast, or the tensors are on different devices."),
        (
            "RuntimeError",
            "JAX has no such device, or this is a fork of a process that ran JAX.",
        ),
    ),
    type="Value",
    result="Tensor",
)

TORCH_ORIGINAL = replace(
    TORCH_LOG_PROB, name="original", after=TORCH_LOG_PROB.only, only=(), is_original=True
)
"""In scvi-tools' order of arguments, on tensors."""
