"""Every kernel that a workload may get, in one list: a new one is its own file and a line here.

The order counts twice. Tuning tries the templates of a workload in turn, in this order. And of templates whose defaults
cost the same, or of whose costs nothing is known, the later one is chosen: so the more special one stands behind.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from rdpass.core.errors import ConfigError
from rdpass.core.registry import Registry
from rdpass.kernels.template import Template, Templates
from rdpass.kernels.templates.apart import APART
from rdpass.kernels.templates.depthwise import DEPTHWISE
from rdpass.kernels.templates.dequantization import DEQUANTIZATION
from rdpass.kernels.templates.direct import DIRECT
from rdpass.kernels.templates.elementwise import ELEMENTWISE
from rdpass.kernels.templates.head import HEAD
from rdpass.kernels.templates.integer_apart import INTEGER_APART
from rdpass.kernels.templates.integer_concatenation import INTEGER_CONCATENATION
from rdpass.kernels.templates.integer_depthwise import INTEGER_DEPTHWISE
from rdpass.kernels.templates.integer_direct import INTEGER_DIRECT
from rdpass.kernels.templates.integer_elementwise import INTEGER_ELEMENTWISE
from rdpass.kernels.templates.integer_head import INTEGER_HEAD
from rdpass.kernels.templates.integer_pair import INTEGER_PAIR
from rdpass.kernels.templates.integer_pointwise import INTEGER_POINTWISE
from rdpass.kernels.templates.integer_pooling import INTEGER_POOLING
from rdpass.kernels.templates.integer_resizing import INTEGER_RESIZING
from rdpass.kernels.templates.integer_winograd import INTEGER_WINOGRAD
from rdpass.kernels.templates.lookup import LOOKUP
from rdpass.kernels.templates.pair import PAIR
from rdpass.kernels.templates.pointwise import POINTWISE
from rdpass.kernels.templates.pooling import POOLING
from rdpass.kernels.templates.quantization import QUANTIZATION
from rdpass.kernels.templates.quantized_stem import QUANTIZED_STEM
from rdpass.kernels.templates.resizing import RESIZING
from rdpass.kernels.templates.stem import STEM
from rdpass.kernels.templates.stem_winograd import STEM_WINOGRAD
from rdpass.kernels.templates.strided_winograd import STRIDED_WINOGRAD
from rdpass.kernels.templates.winograd import WINOGRAD

TEMPLATES: Templates = (
    POINTWISE,
    DEPTHWISE,
    DIRECT,
    WINOGRAD,
    STRIDED_WINOGRAD,
    PAIR,
    APART,
    STEM,
    STEM_WINOGRAD,
    POOLING,
    RESIZING,
    HEAD,
    ELEMENTWISE,
    INTEGER_POINTWISE,
    INTEGER_DIRECT,
    INTEGER_WINOGRAD,
    INTEGER_DEPTHWISE,
    INTEGER_PAIR,
    INTEGER_APART,
    INTEGER_POOLING,
    INTEGER_HEAD,
    INTEGER_ELEMENTWISE,
    QUANTIZED_STEM,
    QUANTIZATION,
    DEQUANTIZATION,
    LOOKUP,
    INTEGER_RESIZING,
    INTEGER_CONCATENATION,
)


def _template(name: str, given: Any) -> Template[Any, Any]:
    if not isinstance(given, Template):
        raise ConfigError(f"kernel {name!r} is to be a Template, not a {type(given).__name__}")
    if given.name != name:
        raise ConfigError(f"kernel {name!r} calls itself {given.name!r}; give it one name")
    return given


kernels: Registry[Template[Any, Any]] = Registry(
    "kernel", "rdpass.kernels", {template.name: template for template in TEMPLATES}, _template
)


def all_templates() -> Templates:
    """Ours, in order, then those registered in this process or offered by installed packages."""
    _load_offered()
    return kernels.loaded()


@cache
def _load_offered() -> None:
    """Import the packages that offer kernels, once: a choice is made for every layer."""
    kernels.entries()
