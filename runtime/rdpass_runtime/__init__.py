"""Networks that rdpass built, on a board: ``Network("student.rdp")(x)``. numpy is all that this package needs."""

from rdpass_runtime.errors import InputError, IntegrityError, NetworkError, RuntimeFailure
from rdpass_runtime.library import Tensor
from rdpass_runtime.network import Class, Network

__all__ = ["Class", "InputError", "IntegrityError", "Network", "NetworkError", "RuntimeFailure", "Tensor"]
__version__ = "0.2.0"
