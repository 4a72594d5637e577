"""The description of a network that is compiled into a bundle's program."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from rdpass.core.tensor_spec import TensorSpec
from rdpass.deploy.bundle.building import Bundle
from rdpass.deploy.bundle.runner_program import RUNTIME, SHARED, description_source

ODD = '"x\\";\n}0'
PRINTS = """
#include <cstdio>
#include "network.h"
int main() {
  for (const auto& tensor : rdpass::description().inputs) {
    std::printf("%s|%s|%zu;", tensor.name.c_str(), tensor.dtype.c_str(), tensor.shape.size());
  }
}
"""


def test_sources_that_every_kind_shares_are_there_and_each_once() -> None:
    assert all(path.is_file() and path.parent == RUNTIME for path in SHARED)
    assert len(set(SHARED)) == len(SHARED)


@pytest.mark.parametrize("name", ["x", ODD, "ü" * 40, ""])
def test_a_compiler_reads_names_types_and_shapes_back(host_bundle: Bundle, name: str, tmp_path: Path) -> None:
    inputs = TensorSpec(name, (1, 3), "float32"), TensorSpec("n", (), "int64")
    (tmp_path / "description.cc").write_text(description_source(replace(host_bundle.manifest, inputs=inputs), {}))
    (tmp_path / "main.cc").write_text(PRINTS)
    command = ["g++", "-std=c++17", "-Wall", "-Werror", f"-I{RUNTIME}", "main.cc", "description.cc", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "main"], capture_output=True, check=True).stdout.decode()
    assert printed == f"{name}|float32|2;n|int64|0;"


def test_numbers_of_the_manifest_are_in_it_and_it_is_the_same_each_time(host_bundle: Bundle) -> None:
    manifest = replace(host_bundle.manifest, planned_activation_bytes=123456789, planned_workspace_bytes=98765)
    text = description_source(manifest, {"model.so": "0" * 64})
    assert "123456789" in text
    assert "98765" in text
    assert f'{{std::string("model.so", 8), std::string("{"0" * 64}", 64)}}' in text
    assert description_source(manifest, {"model.so": "0" * 64}) == text
