"""``manifest.sig``: an Ed25519 signature (RFC 8032) of the bytes of ``manifest.json``, by a key of the builder's.

The manifest holds the digest of every other file, so it stands for the whole bundle. A signature that fits says that
the holder of the private key signed exactly this bundle. It does not say that the bundle is the newest one, that the
network is a good one, or that the key was kept well; and it is looked at only where somebody asks for it.

    openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout -out public.pem
    openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in manifest.json -sigfile manifest.sig   # without rdpass
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rdpass.core.errors import ConfigError, IntegrityError
from rdpass.core.files import check_regular
from rdpass.deploy.bundle.contents import read_text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE = "manifest.sig"


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """The key in a PEM file (PKCS#8, not encrypted).

    Raises:
        ConfigError: it can't be read, is another kind of key, or the package cryptography is missing.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key = load_pem_private_key(_bytes(path), password=None)
    except ImportError as error:
        raise _missing() from error
    except (ValueError, TypeError) as error:  # the latter where it is encrypted
        raise ConfigError(f"{path} is not a private key in PEM form without a password ({error})") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} is not an Ed25519 key; openssl genpkey -algorithm ed25519 makes one")
    return key


def sign(key: Ed25519PrivateKey, manifest: bytes) -> bytes:
    """The signature, 64 bytes, of a manifest's text."""
    return key.sign(manifest)


def check_signature(folder: Path, manifest: bytes, key: Path) -> None:
    """Refuse a bundle whose ``manifest`` was not signed by the private key that belongs to ``key``.

    Raises:
        ConfigError: the key can't be read, or the package cryptography is missing.
        IntegrityError: there is no signature, or it is another one.
    """
    public = _read_public_key(key)
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(read_text(folder, SIGNATURE), manifest)
    except OSError as error:
        raise IntegrityError(f"{folder} is not signed: {SIGNATURE} can't be read ({error.strerror})") from error
    except InvalidSignature as error:
        raise IntegrityError(f"{folder}: {SIGNATURE} is not a signature of this bundle by the key of {key}") from error


def _read_public_key(path: Path) -> Ed25519PublicKey:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        key = load_pem_public_key(_bytes(path))
    except ImportError as error:
        raise _missing() from error
    except ValueError as error:
        raise ConfigError(f"{path} is not a public key in PEM form ({error})") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{path} is not an Ed25519 key")
    return key


def _bytes(path: Path) -> bytes:
    try:
        check_regular(path)
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"the key {path} can't be read: {error.strerror}") from error


def _missing() -> ConfigError:
    return ConfigError("signatures need the package cryptography: pip install 'rdpass[sign]'")
