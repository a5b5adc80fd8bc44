"""AWS Signature Version 4 over one request to an S3-compatible object store, with path-style addresses.

Source: "Signature Calculations for the Authorization Header" of Amazon S3's API reference. The tests compare every signature with
botocore's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "s3"


def signed_headers(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes,
    region: str,
    access_key: str,
    secret_key: str,
    now: datetime,
) -> dict[str, str]:
    """Return the headers with which the request is to be sent: those given, what S3 wants beside, and the signature over all of them.

    The address has no query, and its path needs no encoding or is encoded already.
    """
    parts = urlsplit(url)
    instant = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    body_digest = hashlib.sha256(content).hexdigest()
    sent = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    sent |= {"host": parts.netloc, "x-amz-content-sha256": body_digest, "x-amz-date": instant}
    names = ";".join(sorted(sent))
    lines = [method, parts.path, "", *(f"{name}:{sent[name]}" for name in sorted(sent)), "", names, body_digest]
    scope = f"{instant[:8]}/{region}/{SERVICE}/aws4_request"
    text = "\n".join([ALGORITHM, instant, scope, hashlib.sha256("\n".join(lines).encode("utf-8")).hexdigest()])
    key = f"AWS4{secret_key}".encode()
    for part in (instant[:8], region, SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode("utf-8"), "sha256")
    signature = hmac.digest(key, text.encode("utf-8"), "sha256").hex()
    authorization = f"{ALGORITHM} Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return sent | {"authorization": authorization}


def content_md5(content: bytes) -> str:
    """Return the Content-MD5 that S3 asks for with an object lock: a check of the transfer, not of the evidence."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode("ascii")
