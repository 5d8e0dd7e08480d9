"""The text of a class: of NumPyro or of the torch bridge."""

import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from jaxnb._generate.text import described, floor, paragraph, wrapped
from jaxnb.declaration import Declaration, has_mean_and_theta

__all__ = ["NUMPYRO", "TORCH", "Library", "class_of"]


class Library(NamedTuple):
    """What the classes of a library have in common."""

    module: str
    root: str
    value: str
    validate: str
    default: str
    bad: str
    devices: str


NUMPYRO = Library(
    "jaxnb.distributions",
    "CountDistribution",
    "ArrayLike",
    "Whether to check parameters and counts; None for NumPyro's default.",
    "None",
    "complex",
    "",
)

TORCH = Library(
    "jaxnb.torch_bridge",
    "Counts",
    "Tensor",
    "Whether to check parameters and counts. As in scvi-tools, the default is not to.",
    "False",
    "complex, sparse or quantized",
    " devices differ;",
)


def class_of(declared: Declaration, library: Library) -> str:
    """The class of a distribution."""
    base = "MeanDispersion" if has_mean_and_theta(declared.parameters) else library.root
    derived_from = (declared.torch_base if library is TORCH else None) or base
    members = _torch_members if library is TORCH else _numpyro_members
    inside = (
        *_docstring(declared, library),
        "",
        *members(declared),
        "",
        *_constructor(declared, library, "super()" if base == derived_from else base),
        *_properties(declared, library),
    )
    return f"class {declared.class_name}({derived_from}):\n" + textwrap.indent(
        "\n".join(inside), "    "
    )


def _docstring(declared: Declaration, library: Library) -> Iterator[str]:
    yield f'r"""{declared.counts}'
    if library is TORCH:
        yield from paragraph(f"It is `jaxnb.{declared.class_name}` on tensors.")
    condition = rf", \quad {declared.condition}" if declared.lowest else ""
    yield from ("", ".. math::", "")
    yield from wrapped(f"P(x) = {declared.probability}{condition}", "    ")
    about = declared.notes.get("class") if library is NUMPYRO else None
    for text in (declared.notes.get("formula"), declared.moments, about):
        if text:
            yield from paragraph(text)
    yield from ("", "Args:")
    for name, text in _descriptions(declared, library):
        yield from wrapped(f"{name}: {text}", "    ", "        ")
    yield from ("", "Raises:")
    for line in _raises(declared, library):
        yield from wrapped(line, "    ", "        ")
    if end := declared.notes.get("torch class end" if library is TORCH else "class end"):
        yield from paragraph(end)
    yield '"""'


def _descriptions(declared: Declaration, library: Library) -> Iterator[tuple[str, str]]:
    part = declared.part
    texts = {p.attribute: described(p, p.attribute) for p in declared.parameters}
    texts |= {
        "total_count": "Number of failures to wait for, >= 0; the same as `theta`.",
        "probs": f"Success probability{part}, in [0, 1]: mu = total_count * probs / (1 - probs).",
        "logits": f"Log-odds of success{part}, log(mu / theta).",
        "scale": 'Normalized expression, carried along untouched for `get_normalized("scale")`.',
        "validate_args": library.validate,
        "eps": floor(declared),
    }
    texts |= {
        p.probability: f"Probability of {p.event}, in [0, 1], instead of `{p.attribute}`. At "
        "exactly 0 or 1 the derivative of `log_prob` in it is 0."
        for p in declared.parameters
        if p.probability
    }
    for name in (*_positional(declared, library), *_by_keyword(declared, library)):
        yield name, texts.get(name) or f"{_log(name)}, instead of `{name.removeprefix('log_')}`."
    if any(p.attribute != p.name for p in declared.parameters if p.has_log_scale):
        yield "**other", "The same parameters under the names that they have in the functions."


def _log(name: str) -> str:
    return f"log({name.removeprefix('log_')})"


def _raises(declared: Declaration, library: Library) -> Iterator[str]:
    forms = "A parameter is missing, or given in two of its forms;"
    if has_mean_and_theta(declared.parameters):
        forms = (
            "Not exactly one of (mu or log_mu, theta or log_theta), (total_count, probs) and "
            "(total_count, logits) is given in full;"
        )
    for p in declared.parameters:
        if p.probability:
            forms += f" or not exactly one of {p.attribute} and {p.probability};"
    yield (
        f"ValueError: {forms} shapes do not broadcast;{library.devices} a parameter violates its "
        "constraint."
    )
    yield f"TypeError: A parameter is {library.bad}."


def _positional(declared: Declaration, library: Library) -> list[str]:
    """The arguments that may be given by position, in scvi-tools' order."""
    needed = [p.attribute for p in declared.parameters if not p.default]
    names = [*needed, *(p.attribute for p in declared.parameters if p.default)]
    if has_mean_and_theta(declared.parameters):
        names = ["total_count", "probs", "logits", *names]
    if declared.has_scale:
        names.append("scale")
    return [*names, *(["validate_args"] if library is TORCH else [])]


def _by_keyword(declared: Declaration, library: Library) -> list[str]:
    names = [p.log_attribute for p in declared.parameters if p.log_attribute]
    names += [p.probability for p in declared.parameters if p.probability]
    return [*names, "eps", *([] if library is TORCH else ["validate_args"])]


def _constructor(declared: Declaration, library: Library, base: str) -> Iterator[str]:
    types = {"eps": "float | None", "validate_args": "bool | None"}
    defaults = {"validate_args": library.default}
    positional, by_keyword = _positional(declared, library), _by_keyword(declared, library)

    def argument(name: str) -> str:
        kind = types.get(name, f"{library.value} | None")
        return f"{name}: {kind} = {defaults.get(name, 'None')}"

    arguments = ["self", *map(argument, positional), "*", *map(argument, by_keyword)]
    if declared.class_synonyms:
        arguments.append(f"**other: Unpack[{declared.class_synonyms}[{library.value}]]")
    given = ", ".join(f"{name}={name}" for name in (*positional, *by_keyword))
    given = given if base == "super()" else f"self, {given}"
    yield "@keywords"
    yield f"def __init__({', '.join(arguments)}) -> None:"
    yield f"    {base}.__init__({given})"


def _properties(declared: Declaration, library: Library) -> Iterator[str]:
    in_base = {"mu", "theta"} if has_mean_and_theta(declared.parameters) else set()
    for p in declared.parameters:
        name, default = p.attribute, _default(declared, p.default)
        if library is NUMPYRO and name not in in_base:
            text = (
                f"The log-odds of {p.event}." if p.event else described(p, name).split(",")[0] + "."
            )
            yield from _property(name, text, f"self._linear({name!r}{default})", "Array")
            if p.log_attribute:
                value = f"self._logarithm({name!r}{default})"
                yield from _property(p.log_attribute, f"log({name}).", value, "Array")
        if p.event:
            text = f"The probability of {p.event}."
            of_tensor = f"torch.sigmoid(self.{name})"
            value = of_tensor if library is TORCH else f"self._probability({name!r})"
            result = "Tensor" if library is TORCH else "Array"
            yield from _property(name.replace("logits", "probs"), text, value, result)


def _default(declared: Declaration, name: str | None) -> str:
    attributes = {p.name: p.attribute for p in declared.parameters}
    return "" if name is None else f", default={attributes[name]!r}"


def _property(name: str, text: str, value: str, result: str) -> Iterator[str]:
    yield from ("", "@property", f"def {name}(self) -> {result}:")
    yield from (f'    """{text}"""', f"    return {value}")


def _numpyro_members(declared: Declaration) -> Iterator[str]:
    if declared.lowest:
        yield "support = constraints.positive_integer"
    yield f"family: ClassVar[Family] = FAMILIES[{declared.name!r}]"
    yield "arg_constraints: ClassVar = constraints_of(family)"
    yield "choices: ClassVar[tuple[Choices, ...]] = choices_of(family)"


def _torch_members(declared: Declaration) -> Iterator[str]:
    yield f"_family: ClassVar[Family] = FAMILIES[{declared.name!r}]"
    yield f"_function: ClassVar[Callable[..., Tensor]] = staticmethod({declared.log_prob})"
    if declared.lowest:
        yield "support = constraints.positive_integer"
    in_base = {"mu", "theta"} if has_mean_and_theta(declared.parameters) else set()
    for p in declared.parameters:
        if p.attribute in in_base:
            continue
        kept = "ScaledParameter(constraints.nonnegative)" if p.has_log_scale else None
        yield f"{p.attribute} = {kept or 'Parameter(extended_real)'}"
        if p.log_attribute:
            yield f"{p.log_attribute} = LogScale()"
