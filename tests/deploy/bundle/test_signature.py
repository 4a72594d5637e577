"""Signed bundles: which key signed what, with and without rdpass."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from rdpass.cli.app import run
from rdpass.core.errors import ConfigError, IntegrityError
from rdpass.deploy.bundle.benchmark import bench
from rdpass.deploy.bundle.building import Bundle, compile
from rdpass.deploy.bundle.manifest import open_sealed, seal
from rdpass.deploy.bundle.runner import load
from rdpass.deploy.bundle.signature import SIGNATURE, read_private_key
from rdpass.deploy.bundle.verification import verify

PKCS8 = PrivateFormat.PKCS8


def write_pair(folder: Path, name: str, how: KeySerializationEncryption | None = None) -> Path:
    """A private key and, beside it, its public one as PEM files."""
    key = Ed25519PrivateKey.generate()
    (folder / f"{name}.pem").write_bytes(key.private_bytes(Encoding.PEM, PKCS8, how or NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pub.pem").write_bytes(public)
    return folder / f"{name}.pem"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("mine", "other"):
        write_pair(folder, name)
    return folder


@pytest.fixture
def signed(spoiled: Callable[[], Path], keys: Path) -> Path:
    folder = spoiled()
    seal(folder, open_sealed(folder), read_private_key(keys / "mine.pem"))
    return folder


def test_every_use_takes_the_key_that_signed_and_no_other(signed: Path, keys: Path) -> None:
    mine, other = keys / "mine.pub.pem", keys / "other.pub.pem"
    assert verify(signed, key=mine).error <= 1e-5
    assert load(signed, key=mine).manifest == open_sealed(signed)
    assert bench(signed, key=str(mine), runs=1).runs == 1
    for use in (load, verify, bench):
        with pytest.raises(IntegrityError, match="is not a signature of this bundle by the key of"):
            use(signed, key=other)
        use(signed)  # who asks for no signature gets none checked


def test_a_bundle_without_a_signature_is_refused_where_one_is_asked_for(host_bundle: Bundle, keys: Path) -> None:
    with pytest.raises(IntegrityError, match=r"is not signed: manifest\.sig can't be read"):
        verify(host_bundle.folder, key=keys / "mine.pub.pem")


def test_a_manifest_that_was_written_anew_is_not_the_one_that_was_signed(signed: Path, keys: Path) -> None:
    content, manifest = (signed / SIGNATURE).read_bytes(), open_sealed(signed)
    (signed / "README.txt").write_text("mine")
    seal(signed, manifest)
    assert not (signed / SIGNATURE).exists()
    (signed / SIGNATURE).write_bytes(content)
    open_sealed(signed)
    with pytest.raises(IntegrityError, match="is not a signature of this bundle"):
        verify(signed, key=keys / "mine.pub.pem")


@pytest.mark.parametrize("content", [b"", b"\0" * 63, b"\0" * 64, b"x" * 9999])
def test_a_damaged_signature_is_none(signed: Path, keys: Path, content: bytes) -> None:
    (signed / SIGNATURE).write_bytes(content)
    with pytest.raises(IntegrityError, match="is not a signature of this bundle"):
        verify(signed, key=keys / "mine.pub.pem")


def test_a_signature_is_a_file_and_no_link(signed: Path, keys: Path, tmp_path: Path) -> None:
    shutil.move(signed / SIGNATURE, tmp_path / "sig")
    (signed / SIGNATURE).symlink_to(tmp_path / "sig")
    for key in (keys / "mine.pub.pem", None):
        with pytest.raises(IntegrityError, match=r"manifest\.sig is a link"):
            verify(signed, key=key)


def test_the_command_line_signs_and_checks(
    two_by_two_onnx: Path, keys: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out, mine = str(tmp_path / "net.rdp"), str(keys / "mine.pub.pem")
    assert run(["compile", str(two_by_two_onnx), "-o", out, "--sign", str(keys / "mine.pem")]) == 0
    assert run(["verify", out, "--verify-key", mine]) == 0
    given = [f"{out}/golden/input_{index}.npy" for index in (0, 1)]
    assert run(["run", out, *given, "--verify-key", mine]) == 0
    capfd.readouterr()
    for words in (["verify", out], ["run", out, *given], ["bench", out, "--runs", "1"]):
        assert run([*words, "--verify-key", str(keys / "other.pub.pem")]) == 8
        assert len(capfd.readouterr().err.splitlines()) == 1


def _bytes(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_but_for_the_signature_a_signed_bundle_is_the_same_bytes(
    two_by_two_onnx: Path, keys: Path, tmp_path: Path
) -> None:
    for name, key in (("plain", None), ("signed", keys / "mine.pem")):
        compile(two_by_two_onnx, out=tmp_path / name, runtime="none", sign=key)
    plain, made = _bytes(tmp_path / "plain"), _bytes(tmp_path / "signed")
    assert {path: made[path] for path in plain} == plain
    assert made.keys() - plain.keys() == {Path(SIGNATURE)}
    compile(two_by_two_onnx, out=tmp_path / "signed", runtime="none", force=True)
    assert _bytes(tmp_path / "signed") == plain


def test_openssl_says_the_same(signed: Path, keys: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here")
    for name, code in (("mine", 0), ("other", 1)):
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(keys / f"{name}.pub.pem"), "-rawin",
                   "-in", "manifest.json", "-sigfile", SIGNATURE]  # fmt: skip
        assert subprocess.run(command, cwd=signed, capture_output=True, check=False).returncode == code


def test_keys_that_can_not_be_used_are_named_before_anything_is_built(
    two_by_two_onnx: Path, host_bundle: Bundle, keys: Path, tmp_path: Path
) -> None:
    locked, curve = write_pair(tmp_path, "locked", BestAvailableEncryption(b"word")), tmp_path / "curve.pem"
    curve.write_bytes(generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PKCS8, NoEncryption()))
    for key, reason in (
        (tmp_path / "none", "can't be read"), (two_by_two_onnx, "not a private key"), (keys / "mine.pub.pem", "not a"),
        (locked, "without a password"), (curve, "not an Ed25519 key"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=reason):
            compile(two_by_two_onnx, out=tmp_path / "net.rdp", sign=key)
    for key, reason in ((tmp_path / "none", "can't be read"), (keys / "mine.pem", "not a public key")):
        with pytest.raises(ConfigError, match=reason):
            verify(host_bundle.folder, key=key)


def test_without_the_package_a_word_says_how_to_get_it(
    host_bundle: Bundle, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    with pytest.raises(ConfigError, match=r"pip install 'rdpass\[sign\]'"):
        read_private_key(keys / "mine.pem")
    with pytest.raises(ConfigError, match=r"pip install 'rdpass\[sign\]'"):
        verify(host_bundle.folder, key=keys / "mine.pub.pem")
