"""The text in a bundle: what to do with the folder, and what the board needs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rdpass.core.tensor_spec import TensorSpec
from rdpass.deploy.bundle.building import Bundle
from rdpass.deploy.bundle.readme import NAME, write_readme


def test_the_folder_says_what_to_do_with_it(host_bundle: Bundle, tmp_path: Path) -> None:
    text = (host_bundle.folder / "README.txt").read_text()
    for words in ("./run --verify", "./run ../input_0.npy ../output_0.npy", "x  float32 (1, 3, 17, 15)", "glibc 2.27"):
        assert words in text


def test_several_inputs_and_outputs_are_counted_in_the_command(host_bundle: Bundle, tmp_path: Path) -> None:
    specs = tuple(TensorSpec(name, (2, 3), "int64") for name in ("left", "right"))
    (tmp_path / "run").touch()
    write_readme(tmp_path, replace(host_bundle.manifest, inputs=specs, outputs=specs), "nothing")
    text = (tmp_path / NAME).read_text()
    assert "./run ../input_0.npy ../input_1.npy ../output_0.npy ../output_1.npy" in text
    assert text.count("left  int64 (2, 3)") == 2
    assert "The board needs nothing." in text


def test_the_precision_is_said_and_what_it_means_for_inputs(host_bundle: Bundle, tmp_path: Path) -> None:
    for precision, words in (
        ("int8", "computes with integers of 8 bits; what it takes and gives has the types below"),
        ("fp16", "computes with floats of 16 bits"),
        ("float32", "built by rdpass"),
    ):
        write_readme(tmp_path, replace(host_bundle.manifest, precision=precision), "nothing")
        text = (tmp_path / NAME).read_text()
        assert text.startswith(f"A network in {precision} for ")
        assert words in text
        assert ("computes with" in text) == (precision != "float32")


def test_without_a_program_there_is_no_word_of_it_and_a_library_is_named(host_bundle: Bundle, tmp_path: Path) -> None:
    manifest = replace(host_bundle.manifest, runtime="none", library="libcat.a")
    write_readme(tmp_path, replace(manifest, target={**manifest.target, "features": []}), "nothing")
    text = (tmp_path / NAME).read_text()
    assert "./run" not in text
    assert "cat.h says how, example.c does it, libcat.a is to be linked" in text
    assert "CPU features: those of every such CPU." in text
