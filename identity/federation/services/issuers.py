"""Trusted issuers: entered by one person, activated by another, suspended by either."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

from audit.records import Subject
from audit.services import record
from gateway.network import Policy, PrivateNetworkGuard
from gateway.regions import region_here
from identity.errors import IssuerKnown, IssuerNeedsSecondPerson
from identity.events import IdentityEvent
from identity.federation.fetching import WELL_KNOWN
from identity.federation.jwks import Jwk, read_pinned_keys, thumbprints
from identity.federation.kinds import RULES, IssuerKind, is_api_server_audience, is_issuer_of
from identity.federation.models import ALGORITHMS, KEYS_URL, KeysFrom, TrustedIssuer
from identity.federation.queries import visible_issuers
from identity.permissions import Permission, companies_with, require_permission
from identity.services.guards import acting_person, created, field_error, records_refusal, remember_change, require_companies
from identity.states import ISSUER_TRANSITIONS, IssuerState
from kernel.actors import Actor
from kernel.errors import NotVisible, PermissionRefused
from kernel.transitions import advance

NAME_LENGTH_MAX = 80
AUDIENCE_LENGTH_MAX = 255


@dataclass(frozen=True, slots=True)
class TrustTerms:
    """Whose tokens, for whom, and by which keys; `keys_url` may be left out for discovery, `pinned_keys` is what a person pasted."""

    name: str
    kind: str
    issuer: str
    companies: tuple[str, ...]
    audience: str
    algorithms: tuple[str, ...]
    keys_from: str
    keys_url: str = ""
    pinned_keys: object = field(default=())


@records_refusal(IdentityEvent.ISSUER_REFUSED)
def enter_issuer(*, terms: TrustTerms, actor: Actor, now: datetime) -> TrustedIssuer:
    """The issuer is known, and nothing of it counts until another person has activated it.

    Raises OutboundRefused when its keys lie where this installation does not connect to.
    """
    person = acting_person(actor)
    require_permission(person, Permission.ISSUER_TRUST)
    allowed = companies_with(person, Permission.ISSUER_TRUST)
    companies = require_companies(terms.companies, allowed, path="/companies", whose="the companies you may speak for")
    _require_terms(terms)
    keys_url, pinned = _keys(terms)
    with transaction.atomic():
        # Two people entering the same one take turns by the unique constraints; this is the friendlier answer.
        if TrustedIssuer.objects.filter(name=terms.name).exists():
            raise field_error("/name", "The name is taken.", f"an unused name of up to {NAME_LENGTH_MAX} characters")
        if TrustedIssuer.objects.filter(issuer=terms.issuer).exists():
            raise IssuerKnown(detail=f"{terms.issuer} was entered before; an issuer is entered once, whether it is active or not.")
        issuer = TrustedIssuer(
            name=terms.name,
            kind=terms.kind,
            issuer=terms.issuer,
            companies=companies,
            audience=terms.audience,
            algorithms=sorted(set(terms.algorithms)),
            keys_from=terms.keys_from,
            keys_url=keys_url,
            pinned_keys=pinned,
            trusted_by=person,
            created_at=now,
        )
        created(issuer, user=person, now=now)
        _record(IdentityEvent.ISSUER_ENTERED, issuer, actor, now, _told(issuer))
        return issuer


@records_refusal(IdentityEvent.ISSUER_REFUSED)
def activate_issuer(*, issuer_id: UUID, actor: Actor, now: datetime) -> TrustedIssuer:
    """The issuer's tokens count from now on; raises IssuerNeedsSecondPerson for whoever entered it."""
    with transaction.atomic():
        issuer, person = _locked(issuer_id, actor)
        if person.pk == issuer.trusted_by_id:
            raise IssuerNeedsSecondPerson(detail=f"You entered {issuer.name}; somebody else looks at it and activates it.")
        before = issuer.state
        advance(issuer, IssuerState.ACTIVE, transitions=ISSUER_TRANSITIONS, activated_by=person, activated_at=now)
        remember_change([issuer], user=person, now=now)
        _record(IdentityEvent.ISSUER_ACTIVATED, issuer, actor, now, {"before": before, **_told(issuer)})
        return issuer


@records_refusal(IdentityEvent.ISSUER_REFUSED)
def suspend_issuer(*, issuer_id: UUID, actor: Actor, now: datetime) -> TrustedIssuer:
    """Nothing of the issuer counts any more, and neither do the access tokens that were got with its tokens."""
    with transaction.atomic():
        issuer, person = _locked(issuer_id, actor)
        before = issuer.state
        advance(issuer, IssuerState.SUSPENDED, transitions=ISSUER_TRANSITIONS, suspended_by=person, suspended_at=now)
        remember_change([issuer], user=person, now=now)
        _record(IdentityEvent.ISSUER_SUSPENDED, issuer, actor, now, {"before": before, "state": issuer.state})
        return issuer


def _locked(issuer_id: UUID, actor: Actor) -> tuple[TrustedIssuer, User]:
    """Return the issuer, locked, and the person, who may speak for all of its companies."""
    person = acting_person(actor)
    issuer = visible_issuers(person).select_for_update(of=("self",)).filter(pk=issuer_id).first()
    if issuer is None:
        raise NotVisible(detail="There is no such issuer among those you can see.")
    require_permission(person, Permission.ISSUER_TRUST)
    missing = sorted(set(issuer.companies) - companies_with(person, Permission.ISSUER_TRUST))
    if missing:
        raise PermissionRefused(
            detail=f"{issuer.name} is trusted for {', '.join(missing)} too: this needs somebody who may speak for all its companies.",
            data={"issuer": issuer.public_id, "companies": missing},
        )
    return issuer, person


def _require_terms(terms: TrustTerms) -> None:
    if not 0 < len(terms.name) <= NAME_LENGTH_MAX:
        raise field_error("/name", "The name is empty or too long.", f"up to {NAME_LENGTH_MAX} characters")
    if terms.kind not in IssuerKind.values:
        raise field_error("/kind", "There is no such kind of issuer.", ", ".join(IssuerKind.values))
    if not is_issuer_of(terms.kind, terms.issuer):
        raise field_error("/issuer", "No issuer of this kind is called so.", RULES[terms.kind].issuer_example)
    if not 0 < len(terms.audience) <= AUDIENCE_LENGTH_MAX or not terms.audience.isprintable() or terms.audience != terms.audience.strip():
        raise field_error("/audience", "The audience is empty, too long or holds spaces around it.", "the text its tokens carry as `aud`")
    if terms.kind == IssuerKind.KUBERNETES and is_api_server_audience(terms.issuer, terms.audience):
        message = "This is the audience of the cluster's own API server: its tokens would be good there, and those for it here."
        raise field_error("/audience", message, "an audience of its own, e.g. this installation's address")
    _require_algorithms(terms.algorithms)


def _require_algorithms(algorithms: Iterable[str]) -> None:
    if not algorithms or not set(algorithms) <= set(ALGORITHMS):
        raise field_error("/algorithms", "At least one algorithm is needed, and only asymmetric ones are taken.", ", ".join(ALGORITHMS))


def _keys(terms: TrustTerms) -> tuple[str, list[Jwk]]:
    """Return the address of the keys, or the pinned keys."""
    if terms.keys_from == KeysFrom.PINNED:
        if terms.keys_url:
            raise field_error("/keys_url", "Pinned keys are never fetched: there is no address to enter.", "nothing")
        return "", read_pinned_keys(terms.pinned_keys)
    if terms.keys_from not in KeysFrom.values:
        raise field_error("/keys_from", "Keys come from an address, from discovery, or are pinned.", ", ".join(KeysFrom.values))
    if terms.pinned_keys:
        raise field_error("/pinned_keys", "Keys are either pinned or fetched.", "nothing")
    address = terms.keys_url
    if terms.keys_from == KeysFrom.DISCOVERY and not address and terms.kind != IssuerKind.SPIFFE:
        address = terms.issuer.rstrip("/") + WELL_KNOWN
    if not _is_safe(address):
        raise field_error("/keys_url", "Keys are fetched over https.", "an address that begins with https://")
    PrivateNetworkGuard.of(Policy.PRIVATE).check_url(address)
    return address, []


def _is_safe(address: str) -> bool:
    return len(address) <= 500 and bool(re.match(KEYS_URL, address))


def _told(issuer: TrustedIssuer) -> dict[str, object]:
    return {
        "state": issuer.state,
        "kind": issuer.kind,
        "issuer": issuer.issuer,
        "companies": issuer.companies,
        "audience": issuer.audience,
        "algorithms": issuer.algorithms,
        "keys_from": issuer.keys_from,
        "keys_url": issuer.keys_url,
        **({"region": region_here(issuer.keys_url)} if issuer.keys_url else {}),
        "pinned": thumbprints(issuer.pinned_keys),
    }


def _record(kind: IdentityEvent, issuer: TrustedIssuer, actor: Actor, now: datetime, outcome: dict[str, object]) -> None:
    record(kind=kind, actor=actor, subject=Subject("issuer", issuer.public_id), now=now, outcome=outcome)
