"""Bundles that somebody spoiled, by hand and at random, through ``verify``, ``run``, ``load`` and ``./run``.

A trial survives if the bundle is refused (exit code 8) and no foreign code has run; ``./run``, which reads neither the
manifest nor the texts, may also give the bits that the bundle was built to give.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

from benchmarks.fault_campaigns.trials import Tally, ended, mutated, ran, small_network
from rdpass.core.errors import RdpassError
from rdpass.core.places import file_names
from rdpass.deploy.bundle.building import compile
from rdpass.deploy.bundle.manifest import Runtime
from rdpass.deploy.bundle.runner import load

EVIL = '#include <stdio.h>\n__attribute__((constructor)) static void speak(void) {{ fclose(fopen("{}", "w")); }}\n'
REFUSED = 8
KINDS: tuple[Runtime, ...] = ("vm", "none")


def campaign(size: int, folder: Path) -> Tally:
    """About ``size`` uses of spoiled bundles."""
    tally, random = Tally("bundle tampering"), Random(0)
    evil = _evil(folder)
    model = small_network(folder / "net.onnx")
    bundles = [compile(model, out=folder / f"{kind}.rdp", runtime=kind, show_progress=False).folder for kind in KINDS]
    while tally.tried < size:
        for good in bundles:
            _try_all(tally, good, folder / "spoiled.rdp", evil, random)
    return tally


def _try_all(tally: Tally, good: Path, place: Path, evil: Path, random: Random) -> None:
    """Every fault by hand, and as many at random, each through one of the uses in turn."""
    hand = list(_by_hand(evil).items())
    at_random = [(f"mutation {number}", _mutate(random)) for number in range(len(hand))]
    for what, spoil in (*hand, *at_random):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(good, place)
        try:
            spoil(place)
        except FileNotFoundError:  # the other kind of bundle has no such file
            continue
        for use in (_verified, _run, _loaded, _run_itself)[tally.tried % 2 :: 2]:
            code, said = use(place, good)
            harmless = use is _run_itself and code == 0
            survived = (code == REFUSED or harmless) and not (evil.parent / "ran").exists()
            tally.count(survived, f"{good.name}, {what}, {use.__name__}: {code} {said}")


def _evil(folder: Path) -> Path:
    """A library that leaves a file ``ran`` beside itself as soon as it is loaded."""
    (folder / "evil.c").write_text(EVIL.format(folder / "ran"))
    subprocess.run(["gcc", "-shared", "-fPIC", folder / "evil.c", "-o", folder / "evil.so"], check=True)
    return folder / "evil.so"


def _by_hand(evil: Path) -> dict[str, Callable[[Path], object]]:
    def replaced(name: str, by: Callable[[Path], object]) -> Callable[[Path], object]:
        def spoil(bundle: Path) -> None:
            (bundle / name).unlink()
            by(bundle / name)

        return spoil

    return {
        "another network": replaced("model.so", lambda path: shutil.copy(evil, path)),
        "a network that is a link": replaced("model.so", lambda path: path.symlink_to(evil)),
        "a runtime that is a link": replaced("lib/libtvm_ffi.so", lambda path: path.symlink_to("libtvm_runtime.so")),
        "golden numbers that are a link": replaced("golden/input_0.npy", lambda path: path.symlink_to("/dev/zero")),
        "golden numbers that are a pipe": replaced("golden/input_0.npy", os.mkfifo),
        "a manifest that names another folder": lambda bundle: _reseal(bundle, library=f"../{evil.name}"),
        "a manifest that names what it does not list": lambda bundle: _reseal(bundle, library="evil.so"),
        "a manifest that lists another network": lambda bundle: _reseal_with(bundle, evil),
        "a file more": lambda bundle: (bundle / "extra").write_text(""),
        "a hidden file": lambda bundle: (bundle / "golden/.x").write_text(""),
        "a folder more": lambda bundle: (bundle / "more").mkdir(),
        "no golden numbers": lambda bundle: (bundle / "golden/output_0.npy").unlink(),
    }


def _mutate(random: Random) -> Callable[[Path], object]:
    def spoil(bundle: Path) -> None:
        name = random.choice([name for name in file_names(bundle) if name != "run"])
        before = (bundle / name).read_bytes()
        (bundle / name).write_bytes(next(new for new in iter(lambda: mutated(before, random), None) if new != before))

    return spoil


def _reseal(bundle: Path, **fields: object) -> None:
    """Other fields in the manifest, and every digest as a careful forger would write it."""
    body = {**json.loads((bundle / "manifest.json").read_text()), **fields, "sha256": ""}
    body["sha256"] = hashlib.sha256(_text(body)).hexdigest()
    (bundle / "manifest.json").write_bytes(_text(body))
    digests = {**body["files"], "manifest.json": hashlib.sha256(_text(body)).hexdigest()}
    (bundle / "SHA256SUMS").write_text("".join(f"{value}  {name}\n" for name, value in sorted(digests.items())))


def _reseal_with(bundle: Path, evil: Path) -> None:
    """The library as a link to the evil one, with a digest that fits."""
    body = json.loads((bundle / "manifest.json").read_text())
    (bundle / body["library"]).unlink()
    (bundle / body["library"]).symlink_to(evil)
    _reseal(bundle, files={**body["files"], body["library"]: hashlib.sha256(evil.read_bytes()).hexdigest()})


def _text(body: dict[str, object]) -> bytes:
    return (json.dumps(body, indent=1, sort_keys=True) + "\n").encode()


def _verified(bundle: Path, good: Path) -> tuple[int, str]:
    return ended(["verify", bundle])


def _run(bundle: Path, good: Path) -> tuple[int, str]:
    return ended(["run", bundle, good / "golden/input_0.npy"])


def _loaded(bundle: Path, good: Path) -> tuple[int, str]:
    try:
        load(bundle)
    except RdpassError as error:
        return error.exit_code, str(error)
    return 0, "loaded"


def _run_itself(bundle: Path, good: Path) -> tuple[int, str]:
    out = bundle.with_name("y.npy")
    code, said = ran([bundle / "run", "--force", good / "golden/input_0.npy", out])
    expected = bundle.with_name("expected.npy")
    if code == 0 and ran([good / "run", "--force", good / "golden/input_0.npy", expected])[0] == 0:
        return (0, said) if out.read_bytes() == expected.read_bytes() else (-1, "other numbers")
    return code, said
