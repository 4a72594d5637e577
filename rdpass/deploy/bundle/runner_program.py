"""A bundle's program ``run`` and its library for other programs (``rdpass_network.h``): C++ that every kind of bundle
shares, what is said of the network, and one kind's own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rdpass.core.files import file_digest
from rdpass.core.places import file_names
from rdpass.core.processing import Processing
from rdpass.core.tensor_spec import TensorSpec
from rdpass.deploy.bundle.c_literals import c_string
from rdpass.deploy.bundle.manifest import Manifest
from rdpass.deploy.bundle.objects import Compilation, compile_objects, run_compiler
from rdpass.deploy.bundle.stb_image import STB, find_stb
from rdpass.targets.toolchain import Compiler

RUNTIME = Path(__file__).parent.parent / "runtime"
"""The folder of the program's sources and headers."""

ARRAYS = tuple(RUNTIME / name for name in ("input_file.cc", "new_file.cc", "npy.cc", "tensor.cc"))
"""What reads and writes .npy files; whole by itself, so that other programs link it too."""

SHARED = (
    *ARRAYS,
    *(
        RUNTIME / name
        for name in (
            "arguments.cc",
            "bench.cc",
            "bundle_files.cc",
            "command_line.cc",
            "comparison.cc",
            "cpu_features.cc",
            "image.cc",
            "image_decoder.cc",
            "image_file.cc",
            "image_header.cc",
            "report.cc",
            "sha256.cc",
        )
    ),
)
"""What every kind of bundle compiles: the command line, .npy files, the check of the CPU, comparing and timing."""


DECODER = RUNTIME / "image_decoder.cc"
"""Reads JPEG and PNG, in a bundle of images and where the builder has stb_image; else it says that it does not."""

RUN = RUNTIME / "run.cc"
"""The program, of the kind whose ``LoadNetwork`` is linked to it."""

LIBRARY_SHARED = tuple(
    RUNTIME / name
    for name in (
        "bench.cc",
        "bundle_files.cc",
        "cpu_features.cc",
        "image.cc",
        "input_file.cc",
        "network_library.cc",
        "report.cc",
        "sha256.cc",
        "tensor.cc",
    )
)
"""What the library of every kind of bundle is compiled from."""

NETWORK_LIBRARY = "librdpass_network.so"
PUBLIC = ("rdpass_network.h", "rdpass_network.hpp", "example.cc")
"""The library, and the files that say how to call it, in a bundle."""

LIBRARY_LINK = (
    "-shared", f"-Wl,-soname,{NETWORK_LIBRARY}", f"-Wl,--version-script={RUNTIME / 'rdpass_network.map'}",
    "-Wl,-Bsymbolic",
)  # fmt: skip
"""Nothing but the functions of the header shows, and none of another bundle's is taken for them."""


def with_stb(compilation: Compilation) -> Compilation:
    """How ``DECODER`` is compiled to read images.

    Raises:
        TargetError: stb_image is not here.
    """
    folder = find_stb().header.parent
    return replace(compilation, flags=(*compilation.flags, "-DRDPASS_STB"), headers=(*compilation.headers, folder))


@dataclass(frozen=True)
class Product:
    """A file that is linked: its path, its sources in order, besides the description of the network, and options."""

    path: Path
    sources: tuple[Path, ...]
    link: tuple[str, ...]


@dataclass(frozen=True)
class Parts:
    """What is compiled once for several products, and how.

    Sources of ``own`` see, in ``own_headers``, one network's header; the others are the same for every network.
    """

    products: tuple[Product, ...]
    flags: tuple[str, ...] = ()
    headers: tuple[Path, ...] = ()
    own: tuple[Path, ...] = ()
    own_headers: tuple[Path, ...] = ()


def compile_products(bundle: Path, manifest: Manifest, compiler: Compiler, parts: Parts, cache: bool) -> None:
    """Compile and link the products; with ``cache``, what is constant is compiled once.

    They know the digests of all that the folder ``bundle`` holds by now, and read nothing else there.

    Raises:
        TargetError: the compiler failed; the message carries the first thing it said.
    """
    compilation = Compilation(compiler, ("-std=c++17", "-Os", *parts.flags), (RUNTIME, *parts.headers))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        described = folder / "description.cc"
        described.write_text(description_source(manifest, digests_of(bundle)))
        own = replace(compilation, headers=(*compilation.headers, folder, *parts.own_headers))
        sources = dict.fromkeys(source for product in parts.products for source in product.sources)
        specific = (*parts.own, described)
        constant = [source for source in sources if source not in specific]
        objects = dict(zip(constant, compile_objects(compilation, constant, folder, cache), strict=True))
        objects |= zip(specific, compile_objects(own, specific, folder, cache=False), strict=True)
        if STB in manifest.versions and DECODER in objects:
            decoding = with_stb(compilation)
            objects[DECODER] = compile_objects(decoding, [DECODER], folder, cache)[0]
        for product in parts.products:
            linked = [str(objects[source]) for source in (*product.sources, described)]
            run_compiler(compiler, [*compiler.call, *linked, "-o", str(product.path), *product.link], product.path.name)


def digests_of(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that a bundle's folder holds by now."""
    return {name: file_digest(folder / name) for name in file_names(folder)}


def description_source(manifest: Manifest, files: Mapping[str, str]) -> str:
    """C++ that defines ``rdpass::description()`` (``runtime/network.h``) from a manifest and the digests of files."""
    target, golden = manifest.target, manifest.golden
    parts = (
        _text(target["name"]),
        _text(str(target["triple"]).partition("-")[0]),
        _list(map(_text, target["features"])),
        _list(map(_spec, manifest.inputs)),
        _list(map(_spec, manifest.outputs)),
        _list(map(_text, golden["inputs"])),
        _list(map(_text, golden["outputs"])),
        repr(float(golden["tolerance"])),
        str(manifest.planned_activation_bytes),
        str(manifest.planned_workspace_bytes),
        _list(_list((_text(name), _text(digest))) for name, digest in sorted(files.items())),
        _image(manifest.processing or Processing()),
        _list(map(_text, manifest.processing.labels if manifest.processing else ())),
    )
    body = ",\n      ".join(parts)
    return (
        '#include "network.h"\n\nnamespace rdpass {\n\nconst Description& description() {\n'
        f"  static const Description kDescription{{\n      {body}}};\n"
        "  return kDescription;\n}\n\n}  // namespace rdpass\n"
    )


def _image(processing: Processing) -> str:
    return _list((_text(processing.layout or ""), str(processing.bgr).lower(), repr(float(processing.crop))))


def _list(items: Iterable[str]) -> str:
    return "{" + ", ".join(items) + "}"


def _spec(spec: TensorSpec) -> str:
    return _list((_text(spec.name), _text(spec.dtype), _list(map(str, spec.shape))))


def _text(value: str) -> str:
    return f"std::string({c_string(value)}, {len(value.encode())})"
