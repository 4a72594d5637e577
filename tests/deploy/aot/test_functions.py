"""Functions compiled to one object: their symbols, and what needs TVM's runtime."""

from __future__ import annotations

import onnx
import pytest

from rdpass.core.errors import ConfigError
from rdpass.deploy.aot.functions import compile_functions
from rdpass.deploy.lowering import calls_for, import_onnx
from rdpass.onnx.source import read_onnx
from tests.deploy.aot.compiled import BOARD, built
from tests.deploy.conftest import residual_net


def test_a_function_of_tvms_runtime_is_refused_by_name() -> None:
    text = "net (float[8] x) => (float[3] v, int64[3] i) <int64[1] k = {3}> { v, i = TopK(x, k) }"
    with pytest.raises(ConfigError, match=r"topk.* use --runtime vm"):
        built(onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : 18]> {text}'))


def test_symbols_are_words_of_c_and_no_others() -> None:
    network = built(residual_net())
    assert all(symbol.isidentifier() and symbol.startswith("rdpass_") for symbol in network.functions.symbols.values())
    lowered = calls_for(import_onnx(read_onnx(residual_net())), BOARD)
    assert compile_functions(lowered, BOARD).symbols == network.functions.symbols
