"""An OpenID Connect provider that nobody here wrote, running in this process."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx

from config.single_sign_on import provider


@contextmanager
def running_provider() -> Iterator[str]:
    """Yield the address of a provider that lets everybody in under any subject."""
    with warnings.catch_warnings():
        # Authlib asks to be always shown; so it comes first, and is told no after.
        import authlib.deprecate  # noqa: F401

        warnings.simplefilter("ignore")
        import oidc_provider_mock
    with oidc_provider_mock.run_server_in_thread() as server:
        yield f"http://localhost:{server.server_port}"


def provider_setting(url: str, *domains: str) -> dict[str, object]:
    """Return SOCIALACCOUNT_PROVIDERS for it."""
    return dict(provider(url, client_id="countersign", client_secret="s3cret", name="Example Corp", domains=list(domains)))


def vouch(url: str, subject: str, claims: Mapping[str, object]) -> None:
    """Let the provider know somebody under this subject."""
    assert httpx.put(f"{url}/users/{subject}", json=dict(claims)).status_code == 204
