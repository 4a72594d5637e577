"""``README.txt`` in a bundle: what to do with the folder on a board."""

from __future__ import annotations

from pathlib import Path

from rdpass.core.numeric_types import BYTES, HALF
from rdpass.core.tensor_spec import TensorSpec
from rdpass.deploy.bundle.manifest import Manifest
from rdpass.deploy.bundle.runner_program import NETWORK_LIBRARY
from rdpass.deploy.bundle.stb_image import STB

NAME = "README.txt"
INSIDE = {
    BYTES: "Inside it computes with integers of 8 bits; what it takes and gives has the types below.\n",
    HALF: "Inside it computes with floats of 16 bits; what it takes and gives has the types below.\n",
}


def write_readme(folder: Path, manifest: Manifest, needs: str) -> None:
    """Write the file. ``needs`` says what the board's system has to have, as the end of a sentence."""
    target = manifest.target
    features = " ".join(target["features"]) or "those of every such CPU"
    (folder / NAME).write_text(
        f"A network in {manifest.precision} for {target['name']} ({target['cpu']}), built by rdpass"
        f" {manifest.versions['rdpass']}.\n{INSIDE.get(manifest.precision, '')}\n"
        f"{_program(manifest) if (folder / 'run').exists() else ''}"
        f"{_library(manifest) if manifest.runtime == 'none' else ''}"
        f"{_CALLS if (folder / NETWORK_LIBRARY).exists() else ''}"
        f"{_list('Inputs', manifest.inputs)}{_list('Outputs', manifest.outputs)}{_processing(manifest)}\n"
        f"The board needs {needs}. CPU features: {features}.\n"
    )


_CALLS = (
    "Python calls it with rdpass_runtime.Network (the wheel rdpass-runtime), C and C++ as\n"
    f"rdpass_network.h and rdpass_network.hpp say; example.cc does it. They load {NETWORK_LIBRARY}, which\n"
    "takes glibc 2.27 or newer and libstdc++ of GCC 7 or newer.\n\n"
)


def _library(manifest: Manifest) -> str:
    header = manifest.library.removeprefix("lib").replace(".a", ".h")
    return f"To call it from C or C++: {header} says how, example.c does it, {manifest.library} is to be linked.\n\n"


def _program(manifest: Manifest) -> str:
    inputs, outputs = (" ".join(f"../{kind}_{i}.npy" for i in range(len(specs)))
                       for kind, specs in (("input", manifest.inputs), ("output", manifest.outputs)))  # fmt: skip
    return (
        "Copy this folder to the board, wherever you like. Then, in it:\n\n"
        "    sha256sum -c --quiet SHA256SUMS    every byte as it was built? silent if so\n"
        "    ./run --verify                     does it compute what it should here?\n"
        f"    ./run {inputs} {outputs}\n"
        "                                       one inference on files of numpy.save; outputs that are\n"
        "                                       there are replaced with --force only, and inputs with NaN\n"
        "                                       or infinities taken with --allow-nonfinite only\n"
        f"{_image(manifest)}"
        "    ./run --bench 200                  how long one takes here, as JSON\n"
        "    ./run --info                       what it takes and gives, as JSON\n\n"
        "Exit codes of ./run: 0 done, 1 failed, 2 wrong arguments or files, 4 not the golden output,\n"
        "8 wrong CPU, or a file here is not what was built.\n\n"
    )


def _processing(manifest: Manifest) -> str:
    """What is done within the network, a line for each end, and its classes."""
    processing = manifest.processing
    if processing is None:
        return ""
    labels = "".join(f"  {index} {label}\n" for index, label in enumerate(processing.labels))
    lines = [*processing.words(), *(["Classes:"] if labels else [])]
    return "".join(f"{line}\n" for line in lines) + labels


def _image(manifest: Manifest) -> str:
    """The line on photographs, where the network takes one."""
    if manifest.processing is None or not manifest.processing.takes_image_of(manifest.inputs):
        return ""
    if STB in manifest.versions:
        return "    ./run PHOTO.jpg                    the likeliest classes in it (JPEG, PNG, binary PPM or PGM)\n"
    return "    ./run PHOTO.ppm                    the likeliest classes in it (binary PPM or PGM, 8 bits)\n"


def _list(title: str, specs: tuple[TensorSpec, ...]) -> str:
    return "".join(f"{title}: {spec.name}  {spec.dtype} {spec.shape}\n" for spec in specs)
