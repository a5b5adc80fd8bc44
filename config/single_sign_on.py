"""Single sign-on: the one OpenID Connect provider that people sign in at, read from the environment. There is none without an issuer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from config.secret_store import secret

PREFIX = "COUNTERSIGN_SSO"
# The name in the addresses, of which the provider knows one: /accounts/oidc/main/login/callback/.
PROVIDER_ID = "main"


def _text(name: str, default: str = "") -> str:
    return os.environ.get(f"{PREFIX}_{name}", default).strip()


def issuer() -> str:
    """Return the issuer's address, empty when people sign in with passwords only; raises SystemExit for what is none."""
    url = _text("ISSUER").rstrip("/")
    parts = urlsplit(url)
    if url and (parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.fragment):
        raise SystemExit(f"{PREFIX}_ISSUER={url!r} is not the address of an issuer, such as https://login.example.com/tenant/v2.0.")
    return url


def providers() -> Mapping[str, Any]:
    """Return what allauth takes as its providers; raises SystemExit when an issuer is named without client id or secret."""
    url = issuer()
    if not url:
        return {}
    client_id, client_secret = _text("CLIENT_ID"), secret("sso_client_secret", make=str)
    for name, value in (("CLIENT_ID", client_id), ("CLIENT_SECRET", client_secret)):
        if not value:
            raise SystemExit(f"{PREFIX}_ISSUER is set, {PREFIX}_{name} is not: the issuer gives both when this installation is registered.")
    return provider(url, client_id=client_id, client_secret=client_secret, name=_text("NAME", "single sign-on"), domains=_domains())


def provider(issuer_url: str, *, client_id: str, client_secret: str, name: str, domains: list[str]) -> Mapping[str, Any]:
    """Return one provider as allauth takes it; `domains` are those whose addresses are believed without `email_verified`."""
    app = {
        "provider_id": PROVIDER_ID,
        "name": name,
        "client_id": client_id,
        "secret": client_secret,
        "settings": {"server_url": issuer_url, "email_authentication": True, "verified_email": domains or False},
    }
    return {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}


def _domains() -> list[str]:
    found = [part.strip().lower() for part in _text("EMAIL_DOMAINS").split(",") if part.strip()]
    for domain in found:
        if "@" in domain or "." not in domain:
            raise SystemExit(f"{PREFIX}_EMAIL_DOMAINS: {domain!r} is not a domain, such as example.com.")
    return found
