"""The text of a function: its signature, its docstring and its body."""

import textwrap
from collections.abc import Iterator

from jaxnb._generate.kinds import Argument, Kind
from jaxnb._generate.text import described, floor, paragraph, wrapped
from jaxnb.declaration import Declaration, Parameter

__all__ = ["function", "owner", "synonyms"]


def owner(declared: Declaration, kind: Kind) -> str:
    """The name of the function."""
    if kind.is_original:
        return declared.log_prob
    return declared.name if kind.name == "sampler" else f"{declared.stem}_{kind.name}"


def synonyms(declared: Declaration, kind: Kind) -> str | None:
    """The class of the other names of its parameters."""
    return declared.original_synonyms if kind.is_original else declared.synonyms


def _keyword(parameter: Parameter, kind: Kind) -> str:
    return parameter.name if kind.is_original else parameter.keyword


def _after(declared: Declaration, kind: Kind) -> tuple[Argument, ...]:
    unused = declared.in_scvi and kind.is_original and kind.type == "Value"
    return (*kind.after, *_UNUSED) if unused else kind.after


_CALLABLE = "Callable[[Tensor], Tensor] | None"
_UNUSED = (
    Argument("log_fn", _CALLABLE, "Ignored; accepted because scvi-tools' function has it.", "None"),
    Argument("lgamma_fn", _CALLABLE, "Ignored, too.", "None"),
)


def function(declared: Declaration, kind: Kind) -> str:
    """The function of that kind of a distribution, with its decorator."""
    signature = f"({', '.join(_signature(declared, kind))}) -> {kind.result}"
    inside = (*_docstring(declared, kind), *_body(declared, kind))
    return "\n".join(
        (
            "@keywords",
            f"def {owner(declared, kind)}{signature}:",
            textwrap.indent("\n".join(inside), "    "),
        )
    )


def _signature(declared: Declaration, kind: Kind) -> Iterator[str]:
    parameters = declared.public
    yield from map(_argument, kind.before)
    yield from (f"{_keyword(p, kind)}: {kind.type} | None = None" for p in parameters)
    yield from map(_argument, _after(declared, kind))
    yield "*"
    alone = [argument for argument in kind.only if argument.name != "eps"]
    yield from map(_argument, alone)
    yield from (f"{p.log_name}: {kind.type} | None = None" for p in parameters if p.has_log_scale)
    yield from (_argument(argument) for argument in kind.only if argument not in alone)
    if other := synonyms(declared, kind):
        yield f"**other: Unpack[{other}[{kind.type}]]"


def _argument(argument: Argument) -> str:
    default = "" if argument.default is None else f" = {argument.default}"
    return f"{argument.name}: {argument.type}{default}"


def _docstring(declared: Declaration, kind: Kind) -> Iterator[str]:
    words = {
        "under": declared.under,
        "stem": declared.stem,
        "log_prob": declared.log_prob,
        "returns": declared.notes.get(f"{kind.name} returns", ""),
        "limits": f" `{declared.original}`, which computes the same, documents accuracy and limits."
        if declared.original
        else "",
        "floor": floor(declared),
        "infinite": "infinity where a mean is, " if declared.has_mean else "",
        "at_zero": " At a mean or theta of 0 the derivative in it, which may be infinite, is given "
        "as 0."
        if declared.has_mean
        else "",
    }
    start = 'r"""' if kind.formula and not declared.limit_of else '"""'
    first, *rest = wrapped(start + kind.summary.format(**words))
    yield first
    yield from rest
    limit = declared.limit_of
    if limit:
        yield from paragraph(f"The same as `{limit}_{kind.name}` with theta = inf.")
    elif kind.formula:
        filled = kind.formula.replace("{probability}", declared.probability)
        filled = filled.replace("{tail}", declared.tail)
        yield from ("", ".. math::", "")
        condition = rf", \quad {declared.condition}" if declared.condition else ""
        yield from wrapped(filled + condition, "    ")
        if note := declared.notes.get("formula"):
            yield from paragraph(note)
    on_tensors = "torch " if kind.type == "Value" and kind.is_original else ""
    if note := declared.notes.get(f"{on_tensors}{kind.name}"):
        yield from paragraph(note)
    yield from ("", "Args:")
    for name, description in _descriptions(declared, kind):
        yield from wrapped(f"{name}: {description.format(**words)}", "    ", "        ")
    yield from ("", "Returns:")
    yield from wrapped(kind.returns.format(**words), "    ")
    yield from ("", "Raises:")
    for name, description in kind.raises:
        yield from wrapped(f"{name}: {description}", "    ", "        ")
    if on_tensors:
        yield '"""'
        return
    if note := declared.notes.get(f"{kind.name} accuracy"):
        yield from paragraph(note)
    if references := declared.notes.get(f"{kind.name} references"):
        yield from ("", "References:")
        for reference in references.split("\n"):
            yield from wrapped(reference, "    ")
    yield '"""'


def _descriptions(declared: Declaration, kind: Kind) -> Iterator[tuple[str, str]]:
    eps = [argument for argument in kind.only if argument.name == "eps"]
    yield from ((a.name, a.description) for a in kind.before)
    names = [(p, _keyword(p, kind)) for p in declared.public]
    yield from ((name, described(p, name)) for p, name in names)
    others = (*_after(declared, kind), *kind.only)
    yield from ((a.name, a.description) for a in others if a not in eps)
    for p in declared.public:
        if p.has_log_scale:
            yield f"log_{p.name}", f"log({p.name}), instead of `{p.name}`."
    yield from ((a.name, a.description) for a in eps)
    if synonyms(declared, kind) and any(
        p.attribute != p.name for p in declared.public if p.has_log_scale
    ):
        yield "**other", "The same parameters under the names that they have in the class."


def _body(declared: Declaration, kind: Kind) -> Iterator[str]:
    on_tensors = kind.type == "Value"
    entries = ", ".join(
        f'"{_keyword(p, kind)}": {_given(declared, p, kind)}' for p in declared.parameters
    )
    yield f"given: dict[str, Given] = {{{entries}}}"
    family = f'FAMILIES["{declared.name}"]'
    of = family if on_tensors else f"_{declared.module}.{kind.of}"
    if kind.of == "likelihood":
        of = declared.likelihood.partition(":")[2]
    yield "return " + kind.body.format(of=of, owner=owner(declared, kind))


def _given(declared: Declaration, parameter: Parameter, kind: Kind) -> str:
    if parameter.name in declared.fixed:
        infinity = "inf" if kind.type == "Value" else "jnp.inf"
        return f"Pair({declared.fixed[parameter.name].replace('inf', infinity)}, None)"
    if not parameter.has_log_scale:
        return _keyword(parameter, kind)
    pair = f"Pair({parameter.name}, {parameter.log_name})"
    if parameter.default and kind.type != "Value":
        return f"given_or({pair}, Pair({parameter.default}, log_{parameter.default}))"
    return pair
