"""Names of parameters: those that mean the same, and what a wrong one probably means."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Generic, ParamSpec, TypedDict, TypeVar

__all__ = [
    "MixtureNames",
    "MixtureNamesOfClasses",
    "MixtureNamesOfLogProb",
    "ZeroInflationName",
    "ZeroInflationNameOfClasses",
    "keywords",
]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Value = TypeVar("_Value")

# The functions number the components of a mixture with an underscore, the classes without.
_SYNONYMS: dict[str, str] = {"pi": "zi_logits", "pi_logits": "mixture_logits"} | {
    f"{scale}{name}_{k}": f"{scale}{name}{k}"
    for scale in ("", "log_")
    for name in ("mu", "theta")
    for k in (1, 2)
}
_SYNONYMS |= {of_class: of_function for of_function, of_class in _SYNONYMS.items()}


class ZeroInflationName(TypedDict, Generic[_Value], total=False):
    """The other name of `pi`."""

    zi_logits: _Value | None


class ZeroInflationNameOfClasses(TypedDict, Generic[_Value], total=False):
    """The other name of `zi_logits`."""

    pi: _Value | None


class _ComponentNames(TypedDict, Generic[_Value], total=False):
    mu1: _Value | None
    mu2: _Value | None
    theta1: _Value | None
    theta2: _Value | None
    log_mu1: _Value | None
    log_mu2: _Value | None
    log_theta1: _Value | None
    log_theta2: _Value | None


class MixtureNames(_ComponentNames[_Value], total=False):
    """The other names of `mu_1` and so on, and of `pi_logits`."""

    mixture_logits: _Value | None


class MixtureNamesOfLogProb(_ComponentNames[_Value], total=False):
    """The other names of `mu_1` and so on, and of `mixture_logits`."""

    pi_logits: _Value | None


class MixtureNamesOfClasses(TypedDict, Generic[_Value], total=False):
    """The other names of `mu1` and so on, and of `mixture_logits`."""

    mu_1: _Value | None
    mu_2: _Value | None
    theta_1: _Value | None
    theta_2: _Value | None
    log_mu_1: _Value | None
    log_mu_2: _Value | None
    log_theta_1: _Value | None
    log_theta_2: _Value | None
    pi_logits: _Value | None


# What other libraries call a parameter, the parameter here, and how to get its value. The first
# entry whose parameter the function has is the one that is named.
_OF_OTHERS: tuple[tuple[str, str, str], ...] = (
    *((name, "mu", f"mu={name}") for name in ("mean", "rate", "lam", "loc")),
    *((name, "lam", f"lam={name}") for name in ("mean", "rate", "mu")),
    *((name, "theta", f"theta={name}") for name in ("concentration", "total_count", "size", "n")),
    *((name, "theta", f"theta=1 / {name}") for name in ("dispersion", "alpha", "disp")),
    ("inverse_dispersion", "theta", "theta=inverse_dispersion"),
    ("probs", "theta", "mu=total_count * probs / (1 - probs), theta=total_count"),
    ("logits", "log_mu", "log_mu=logits + log(total_count), theta=total_count"),
    ("logits", "theta", "mu=total_count * exp(logits), theta=total_count"),
    *((name, "zi_probs", f"zi_probs={name}") for name in ("gate", "zi_prob")),
    ("gate_logits", "zi_logits", "zi_logits=gate_logits"),
    *(
        (name, "zi_logits", f"zi_logits=log({name}) - log(1 - {name})")
        for name in ("gate", "zi_probs", "zi_prob")
    ),
    *(
        (name, "mixture_logits", f"mixture_logits=log({name}) - log(1 - {name})")
        for name in ("mixture_probs", "mixing_probs", "weight")
    ),
)


def keywords(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function, also with the synonyms of its parameters as keywords.

    The signature states them as `**other: Unpack[...]`, for type checkers alone: nothing arrives
    there. A keyword that is not a name at all raises TypeError, with the name that is likely.
    """
    signature = inspect.signature(function)
    named = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    names = frozenset(p.name for p in named)

    @wraps(function)
    def called(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        for name in kwargs:
            if name not in names:
                of_class = function.__name__ == "__init__"
                owner = type(args[0]).__name__ if of_class else function.__qualname__
                renamed: Any = _renamed(owner, names, kwargs)
                return function(*args, **renamed)
        return function(*args, **kwargs)

    called.__signature__ = signature.replace(parameters=named)  # type: ignore[attr-defined]
    return called


def _renamed(owner: str, names: frozenset[str], given: Mapping[str, object]) -> dict[str, object]:
    renamed: dict[str, object] = {}
    for name, value in given.items():
        own = name if name in names else _SYNONYMS.get(name, "")
        if own not in names:
            raise TypeError(f"{owner} has no parameter {name!r}: {_advice(name, names)}")
        if own in renamed:
            raise TypeError(f"{owner} got {name} and {_SYNONYMS[name]}, which mean the same")
        renamed[own] = value
    return renamed


def _advice(name: str, names: frozenset[str]) -> str:
    known = names | {_SYNONYMS[n] for n in names if n in _SYNONYMS}
    for other, parameter, remedy in _OF_OTHERS:
        if other == name and parameter in known:
            return f"pass {remedy}"
    if close := difflib.get_close_matches(name, sorted(known), 1):
        return f"did you mean {close[0]}?"
    return f"there are {', '.join(sorted(names - {'self'}))}"
