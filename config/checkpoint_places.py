"""The places that checkpoints are brought to, read from the environment."""

from __future__ import annotations

import os
from pathlib import Path

from audit.verifier.countersign_verify import Malformed, VerifyingKey
from config.secret_store import secret
from gateway.checkpoints.configured import ObjectStore, TimestampAuthority, Witness

PREFIX = "COUNTERSIGN_CHECKPOINT"


def _text(name: str, default: str = "") -> str:
    return os.environ.get(f"{PREFIX}_{name}", default).strip()


def _listed(name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in _text(name).split(",") if part.strip())


def _seconds(name: str, default: int) -> float:
    text = _text(name, str(default))
    if not text.isascii() or not text.isdecimal() or int(text) > 31 * 86_400:
        raise SystemExit(f"{PREFIX}_{name}={text!r} is not a number of seconds.")
    return float(text)


def directories() -> tuple[str, ...]:
    """Return the directories beside the signer's own; raises SystemExit for a path that is not absolute."""
    found = _listed("EXPORT_DIRECTORIES")
    for path in found:
        if not Path(path).is_absolute():
            raise SystemExit(f"{PREFIX}_EXPORT_DIRECTORIES: {path!r} is not an absolute path.")
    return found


def mail_to() -> tuple[str, ...]:
    """Return who gets checkpoints by mail; raises SystemExit for what is no address."""
    found = _listed("MAIL_TO")
    for address in found:
        if address.count("@") != 1 or not address.isprintable() or " " in address:
            raise SystemExit(f"{PREFIX}_MAIL_TO: {address!r} is no mail address.")
    return found


def mail_seconds() -> float:
    """Return the shortest time between two mails."""
    return _seconds("MAIL_SECONDS", 86_400)


def object_store(retention_days: int) -> ObjectStore | None:
    """Return the object store, None when there is none; raises SystemExit when it makes no sense."""
    url = _text("S3_URL")
    if not url:
        return None
    days = _text("S3_LOCK_DAYS", str(retention_days))
    if not days.isascii() or not days.isdecimal():
        raise SystemExit(f"{PREFIX}_S3_LOCK_DAYS={days!r} is not a number of days.")
    try:
        return ObjectStore(
            url=url,
            region=_text("S3_REGION", "us-east-1"),
            access_key=secret("checkpoint_s3_access_key", make=str),
            secret_key=secret("checkpoint_s3_secret_key", make=str),
            lock_days=int(days),
            lock_mode=_text("S3_LOCK_MODE", "COMPLIANCE"),
            interval_seconds=_seconds("S3_SECONDS", 0),
        )
    except ValueError as error:
        raise SystemExit(f"{PREFIX}_S3_URL: {error}.") from error


def witnesses() -> tuple[Witness, ...]:
    """Return the witnesses, each given as `<vkey> <address>`; raises SystemExit when one makes no sense."""
    found = []
    for part in _listed("WITNESSES"):
        key, _, url = part.partition(" ")
        if not url.strip().startswith(("http://", "https://")):
            raise SystemExit(f"{PREFIX}_WITNESSES: {part!r} is not `<vkey> <address>`.")
        try:
            found.append(Witness(url.strip(), VerifyingKey.parse(key), _seconds("WITNESS_SECONDS", 0)))
        except (Malformed, ValueError) as error:
            raise SystemExit(f"{PREFIX}_WITNESSES: {error}.") from error
    return tuple(found)


def timestamp_authority() -> TimestampAuthority | None:
    """Return the time-stamp authority, None when there is none; raises SystemExit when its certificates are not there."""
    url, file = _text("TIMESTAMP_URL"), _text("TIMESTAMP_CA_FILE")
    if not url:
        return None
    if not Path(file).is_file():
        raise SystemExit(f"{PREFIX}_TIMESTAMP_CA_FILE={file!r} must name the PEM file of the authority's root certificates.")
    return TimestampAuthority(url, Path(file), _seconds("TIMESTAMP_SECONDS", 86_400))
