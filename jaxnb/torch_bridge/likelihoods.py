"""What every log-likelihood on tensors does with its arguments."""

from torch import Tensor

from jaxnb.families import Family
from jaxnb.likelihoods.arguments import Pair
from jaxnb.torch_bridge.arguments import Arguments, Given, on_scales, required
from jaxnb.torch_bridge.pointwise import evaluated

__all__ = ["log_probability"]


def log_probability(
    family: Family, owner: str, x: Tensor, eps: float | None, **parameters: Given
) -> Tensor:
    """The log-probability for the arguments of the public function `owner`.

    The parameters are in the order of the family; one that has a default may be left out.
    """
    arguments: Arguments = {"x": x}
    for parameter, (name, given) in zip(family.parameters, parameters.items(), strict=True):
        if not isinstance(given, Pair):
            arguments[name] = required(owner, **{name: given})
        elif not (parameter.default and given.value is None and given.logarithm is None):
            (value,), (scale,) = on_scales(owner, **{name: given})
            arguments[f"log_{name}" if scale == "log" else name] = value
    return evaluated(family.function_name, arguments, None if eps is None else float(eps), owner)
