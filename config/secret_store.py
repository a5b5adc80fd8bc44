"""Secrets by name: from a file named in the environment, from the environment, or made at the first start.

A mounted file (`COUNTERSIGN_<NAME>_FILE`) is how a vault agent or an orchestrator hands a secret over. Without one, a newcomer's
installation makes its own under `.data/secrets/`, readable by its owner only.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from config.paths import SECRETS


def secret(name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(48)) -> str:
    """Return the secret called `name` (lower case, underscores), making it with `make` when there is none yet."""
    variable = f"COUNTERSIGN_{name.upper()}"
    if mounted := os.environ.get(f"{variable}_FILE"):
        return Path(mounted).read_text(encoding="utf-8").strip()
    if value := os.environ.get(variable):
        return value
    path = SECRETS / name
    if not path.exists():
        _write_once(path, make())
    return path.read_text(encoding="utf-8").strip()


def secret_file(name: str, make: Callable[[], str]) -> Path | None:
    """Return the file that holds the secret, for a reader that notices when it changes; None when it stands in the environment."""
    variable = f"COUNTERSIGN_{name.upper()}"
    if mounted := os.environ.get(f"{variable}_FILE"):
        return Path(mounted)
    if os.environ.get(variable):
        return None
    secret(name, make)
    return SECRETS / name


def new_token_signing_key() -> str:
    """Return a new P-256 private key as PEM, for signing access tokens with ES256."""
    return _pem(ec.generate_private_key(ec.SECP256R1()))


def new_payload_key() -> str:
    """Return 32 new random bytes as base64url, for wrapping the keys of payloads."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")


def new_checkpoint_signing_key() -> str:
    """Return a new Ed25519 private key as PEM, for signing checkpoints and manifests."""
    return _pem(Ed25519PrivateKey.generate())


def _pem(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def _write_once(path: Path, value: str) -> None:
    """Create the file complete and with owner-only rights; when two processes race, the first one's value stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(value)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
