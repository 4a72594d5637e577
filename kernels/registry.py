"""Every kernel that a workload may get, in one list: a new one is its own file and a line here.

The order counts twice. Tuning tries the templates of a workload in turn, in this order. And of templates whose defaults
cost the same, or of whose costs nothing is known, the later one is chosen: so the more special one stands behind.
"""

from __future__ import annotations

from rdpass.kernels.template import Templates
from rdpass.kernels.templates.apart import APART
from rdpass.kernels.templates.depthwise import DEPTHWISE
from rdpass.kernels.templates.direct import DIRECT
from rdpass.kernels.templates.elementwise import ELEMENTWISE
from rdpass.kernels.templates.head import HEAD
from rdpass.kernels.templates.pair import PAIR
from rdpass.kernels.templates.pointwise import POINTWISE
from rdpass.kernels.templates.pooling import POOLING
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
)
