"""The text of a function: its signature, its docstring and its body."""

import textwrap
from collections.abc import Iterator

from jaxnb._generate.kinds import Argument, Kind
from jaxnb._generate.text import FLOORS, described, paragraph, wrapped
from jaxnb.declaration import Declaration, Parameter

__all__ = ["function", "owner"]


def owner(declared: Declaration, kind: Kind) -> str:
    """The name of the function."""
    return declared.name if kind.name == "sampler" else f"{declared.stem}_{kind.name}"


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
    yield from (f"{p.keyword}: {kind.type} | None = None" for p in parameters)
    yield from map(_argument, kind.after)
    yield "*"
    alone = [argument for argument in kind.only if argument.name != "eps"]
    yield from map(_argument, alone)
    yield from (f"{p.log_name}: {kind.type} | None = None" for p in parameters if p.has_log_scale)
    yield from (_argument(argument) for argument in kind.only if argument not in alone)
    if declared.synonyms:
        yield f"**other: Unpack[{declared.synonyms}[{kind.type}]]"


def _argument(argument: Argument) -> str:
    default = "" if argument.default is None else f" = {argument.default}"
    return f"{argument.name}: {argument.type}{default}"


def _docstring(declared: Declaration, kind: Kind) -> Iterator[str]:
    words = {
        "under": declared.under,
        "stem": declared.stem,
        "original": declared.log_prob,
        "floor": FLOORS[declared.has_floor],
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
    if note := declared.notes.get(kind.name):
        yield from paragraph(note)
    yield from ("", "Args:")
    for name, description in _descriptions(declared, kind):
        yield from wrapped(f"{name}: {description.format(**words)}", "    ", "        ")
    yield from ("", "Returns:")
    yield from wrapped(kind.returns.format(**words), "    ")
    yield from ("", "Raises:")
    for name, description in kind.raises:
        yield from wrapped(f"{name}: {description}", "    ", "        ")
    if note := declared.notes.get(f"{kind.name} accuracy"):
        yield from paragraph(note)
    yield '"""'


def _descriptions(declared: Declaration, kind: Kind) -> Iterator[tuple[str, str]]:
    eps = [argument for argument in kind.only if argument.name == "eps"]
    yield from ((a.name, a.description) for a in kind.before)
    yield from ((p.keyword, described(p, p.keyword)) for p in declared.public)
    yield from ((a.name, a.description) for a in (*kind.after, *kind.only) if a not in eps)
    for p in declared.public:
        if p.has_log_scale:
            yield f"log_{p.name}", f"log({p.name}), instead of `{p.name}`."
    yield from ((a.name, a.description) for a in eps)
    if declared.synonyms and any(p.attribute != p.name for p in declared.public if p.has_log_scale):
        yield "**other", "The same parameters under the names that they have in the class."


def _body(declared: Declaration, kind: Kind) -> Iterator[str]:
    on_tensors = kind.type == "Value"
    inside = [p for p in declared.parameters if not (on_tensors and not p.has_log_scale)]
    entries = ", ".join(f'"{p.keyword}": {_given(declared, p, on_tensors)}' for p in inside)
    annotation = "Pairs" if on_tensors else "dict[str, Given]"
    yield f"given: {annotation} = {{{entries}}}"
    of = declared.name.upper() if on_tensors else getattr(declared, kind.of).partition(":")[2]
    if kind.name == "sampler":
        of = f"_counts.{of}"
    others = "".join(
        f', {p.name}=required("{owner(declared, kind)}", {p.keyword}={p.keyword})'
        for p in declared.parameters
        if not p.has_log_scale
    )
    yield "return " + kind.body.format(of=of, owner=owner(declared, kind), others=others)


def _given(declared: Declaration, parameter: Parameter, on_tensors: bool) -> str:
    if parameter.name in declared.fixed:
        infinity = "inf" if on_tensors else "jnp.inf"
        return f"({declared.fixed[parameter.name].replace('inf', infinity)}, None)"
    if not parameter.has_log_scale:
        return parameter.keyword
    pair = f"({parameter.name}, {parameter.log_name})"
    if parameter.default and not on_tensors:
        return f"given_or({pair}, ({parameter.default}, log_{parameter.default}))"
    return pair
