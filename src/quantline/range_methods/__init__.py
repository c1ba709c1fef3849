"""Methods of choosing the range of a tensor from what was recorded of it, one a module."""

from quantline.range_methods._method import Bounds, ChosenMethod, Method, Recorded
from quantline.registry import Parameter, declared

METHODS: dict[str, Method] = declared("quantline.range_methods.*", __path__, Method)
"""Every method by its name."""

DEFAULT = METHODS["minmax"]
"""The method that is taken where none is named, and that others are compared with."""

PARAMETERS: dict[str, Parameter] = {
    parameter.name: parameter for method in METHODS.values() for parameter in method.parameters
}
"""The parameters of all methods, by their names."""

if len(PARAMETERS) != sum(len(method.parameters) for method in METHODS.values()):
    raise TypeError("two methods of choosing ranges have a parameter of the same name")

__all__ = ["DEFAULT", "METHODS", "PARAMETERS", "Bounds", "ChosenMethod", "Method", "Recorded"]
