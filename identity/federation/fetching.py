"""The keys of a trusted issuer: pinned, or fetched through the private-network guard and kept in the database.

Kept keys are fresh for an hour. A token with an unknown `kid` may bring the next fetch forward, but nobody asks an issuer more than once
a minute. When it does not answer, the last good keys count for a day; then its tokens are refused. Nothing here may run inside
a business transaction: the issuer may take its time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus

from django.db import transaction
from django.db.models import Q

from audit.records import Subject
from audit.services import record
from gateway.errors import OutboundFailed, OutboundRefused
from gateway.network import Bounds, Policy, outbound_client
from identity.events import IdentityEvent
from identity.federation.jwks import Jwk, keys_for, read_fetched_keys, thumbprints
from identity.federation.kinds import RULES
from identity.federation.models import IssuerKeys, KeysFrom, TrustedIssuer
from identity.tokens.errors import TokenRefused, client_refusal, refusal
from identity.tokens.keys import PublicKey
from kernel.actors import Actor
from kernel.canonical import parse_json
from kernel.clock import wire_time
from kernel.errors import NotCanonical

FRESH = timedelta(hours=1)
# How long the last good keys count when the issuer does not answer.
KEPT = timedelta(hours=24)
RETRY = timedelta(minutes=1)
BOUNDS = Bounds(connect_seconds=3.0, read_seconds=3.0, total_seconds=6.0, body_bytes_max=256 * 1024)
WELL_KNOWN = "/.well-known/openid-configuration"
FETCHER = Actor.system("issuer-keys")


class KeysUnusable(ValueError):
    """The issuer answered something else than keys."""


def verification_keys(issuer: TrustedIssuer, *, algorithm: str, key_id: str, now: datetime) -> list[PublicKey]:
    """Return the issuer's keys that may verify such a token; raises TokenRefused when there is none, or none can be had."""
    if issuer.keys_from == KeysFrom.PINNED:
        return _fitting(issuer, issuer.pinned_keys, algorithm, key_id) or _raise_unknown(key_id)
    kept, _ = IssuerKeys.objects.get_or_create(issuer=issuer)
    is_fresh = kept.fetched_at is not None and now - kept.fetched_at < FRESH
    if is_fresh and (found := _fitting(issuer, kept.keys, algorithm, key_id)):
        return found
    if _may_try(kept, now):
        kept = refresh_keys(issuer, now=now)
    if kept.fetched_at is None or now - kept.fetched_at >= KEPT:
        raise _unavailable(issuer)
    return _fitting(issuer, kept.keys, algorithm, key_id) or _raise_unknown(key_id)


def refresh_keys(issuer: TrustedIssuer, *, now: datetime) -> IssuerKeys:
    """The issuer's keys are those it publishes now; when it gives none, the last good ones stay and the row says why."""
    try:
        keys, error = _fetch(issuer), ""
    except (OutboundRefused, OutboundFailed) as refused:
        keys, error = [], refused.detail
    except ValueError as unusable:
        keys, error = [], str(unusable)
    with transaction.atomic():
        IssuerKeys.objects.get_or_create(issuer=issuer)
        kept = IssuerKeys.objects.select_for_update().get(issuer=issuer)
        if error:
            _keep(kept, error, now)
        else:
            _replace(kept, keys, now)
    return kept


def _replace(kept: IssuerKeys, keys: list[Jwk], now: datetime) -> None:
    before, after = thumbprints(kept.keys), thumbprints(keys)
    kept.keys, kept.fetched_at, kept.tried_at, kept.error = keys, now, now, ""
    kept.save(update_fields=["keys", "fetched_at", "tried_at", "error"])
    if before != after:
        record(
            kind=IdentityEvent.ISSUER_KEYS_CHANGED,
            actor=FETCHER,
            subject=Subject("issuer", kept.issuer.public_id),
            now=now,
            outcome={"before": before, "after": after},
        )


def _keep(kept: IssuerKeys, error: str, now: datetime) -> None:
    is_new = not kept.error
    kept.tried_at, kept.error = now, error[:500]
    kept.save(update_fields=["tried_at", "error"])
    if is_new:
        record(
            kind=IdentityEvent.ISSUER_KEYS_FAILED,
            actor=FETCHER,
            subject=Subject("issuer", kept.issuer.public_id),
            now=now,
            outcome={"last_good_at": wire_time(kept.fetched_at) if kept.fetched_at else "never"},
            payload={"detail": kept.error},
        )


def _may_try(kept: IssuerKeys, now: datetime) -> bool:
    """Return whether it is this request's turn to ask the issuer: of many at once one is."""
    is_due = Q(tried_at__isnull=True) | Q(tried_at__lte=now - RETRY)
    return IssuerKeys.objects.filter(is_due, pk=kept.pk).update(tried_at=now) == 1


def _fetch(issuer: TrustedIssuer) -> list[Jwk]:
    """Return the keys that the issuer publishes; raises OutboundRefused, OutboundFailed, or ValueError for anything but keys."""
    address = issuer.keys_url
    if issuer.keys_from == KeysFrom.DISCOVERY:
        document = _document(address)
        if not isinstance(document, Mapping) or document.get("issuer") != issuer.issuer:
            raise KeysUnusable("The discovery document is another issuer's.")
        address = str(document.get("jwks_uri", ""))
        if address.partition(":")[0] != issuer.keys_url.partition(":")[0]:
            raise KeysUnusable("The discovery document names no address for keys, or one without TLS.")
    return read_fetched_keys(_document(address))


def _document(address: str) -> object:
    with outbound_client(Policy.PRIVATE, bounds=BOUNDS) as client:
        answer = client.request("GET", address, headers={"Accept": "application/json"})
    if answer.status != 200:
        raise KeysUnusable(f"The issuer answers {answer.status}.")
    try:
        return parse_json(answer.body)
    except NotCanonical as error:
        raise KeysUnusable(f"The issuer's answer is not plain JSON. {error.detail}") from error


def _fitting(issuer: TrustedIssuer, keys: Sequence[Mapping[str, str]], algorithm: str, key_id: str) -> list[PublicKey]:
    rules = RULES[issuer.kind]
    return keys_for(keys, algorithm=algorithm, key_id=key_id, use=rules.key_use, is_use_required=rules.is_key_use_required)


def _raise_unknown(key_id: str) -> list[PublicKey]:
    named = f"`kid` {key_id[:60]!r}" if key_id else "no `kid`"
    raise client_refusal("issuer_key_unknown", f"The issuer has no key for this token ({named}).", "a token signed with a current key")


def _unavailable(issuer: TrustedIssuer) -> TokenRefused:
    return refusal(
        "issuer_keys_unavailable",
        f"The keys of {issuer.name} can't be had at present.",
        error="temporarily_unavailable",
        http_status=HTTPStatus.SERVICE_UNAVAILABLE,
    )
