"""What the pages show of trusted issuers and federated credentials: rows of the database as finished texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User

from identity.federation.claims import rows_of, written
from identity.federation.fetching import KEPT
from identity.federation.jwks import thumbprints
from identity.federation.models import FederatedCredential, IssuerKeys, KeysFrom, TrustedIssuer
from identity.federation.queries import visible_issuers
from identity.models import Agent
from identity.permissions import Permission, companies_with
from identity.states import IssuerState
from kernel.display import Moment, Tag, Tone, ago, at, counted

ISSUER_TAGS: Mapping[str, Tag] = {
    IssuerState.PROPOSED: Tag("Waits for a second person", Tone.INFO, "clock"),
    IssuerState.ACTIVE: Tag("Active", Tone.GOOD, "check"),
    IssuerState.SUSPENDED: Tag("Suspended", Tone.WARN, "pause"),
}


@dataclass(frozen=True, slots=True)
class IssuerRow:
    """One trusted issuer, with everything a second person has to look at."""

    id: str
    name: str
    state: Tag
    facts: tuple[tuple[str, object], ...]
    keys: tuple[str, ...]
    trouble: str
    may_activate: bool
    may_suspend: bool
    why_not: str


@dataclass(frozen=True, slots=True)
class FederatedRow:
    """One federated credential of an agent."""

    id: str
    issuer: str
    kind: str
    subject: str
    claims: tuple[tuple[str, str], ...]
    state: Tag
    last_used: Moment | str
    ends: Moment
    issued_by: str
    is_live: bool


def issuer_rows(user: User, now: datetime) -> list[IssuerRow]:
    """Return the issuers the person may know of, each with what this person may do with it."""
    speaks_for = companies_with(user, Permission.ISSUER_TRUST)
    rows = list(visible_issuers(user))
    fetched = {found.pk: found for found in IssuerKeys.objects.filter(pk__in=[row.pk for row in rows])}
    return [_issuer_row(row, fetched.get(row.pk), user, speaks_for, now) for row in rows]


def _issuer_row(row: TrustedIssuer, fetched: IssuerKeys | None, user: User, speaks_for: frozenset[str], now: datetime) -> IssuerRow:
    may_change = set(row.companies) <= speaks_for
    is_waiting = row.state != IssuerState.ACTIVE
    is_own = row.trusted_by_id == user.pk
    keys = row.pinned_keys if row.keys_from == KeysFrom.PINNED else (fetched.keys if fetched else [])
    return IssuerRow(
        id=row.public_id,
        name=row.name,
        state=ISSUER_TAGS[row.state],
        facts=tuple(_facts(row, fetched, now)),
        keys=tuple(thumbprints(keys)),
        trouble=_trouble(fetched, now),
        may_activate=may_change and is_waiting and not is_own,
        may_suspend=may_change and row.state != IssuerState.SUSPENDED,
        why_not="You entered it: somebody else looks at it and activates it." if may_change and is_waiting and is_own else "",
    )


def _facts(row: TrustedIssuer, fetched: IssuerKeys | None, now: datetime) -> list[tuple[str, object]]:
    facts: list[tuple[str, object]] = [
        ("Platform", row.get_kind_display()),
        ("Issuer", row.issuer),
        ("Audience", row.audience),
        ("Companies", ", ".join(row.companies)),
        ("Algorithms", ", ".join(row.algorithms)),
        ("Keys", "Pinned" if row.keys_from == KeysFrom.PINNED else row.keys_url),
        ("Entered by", f"{_name(row.trusted_by)}"),
        ("Activated by", _name(row.activated_by) if row.activated_by else "Nobody yet"),
    ]
    if row.keys_from != KeysFrom.PINNED:
        facts.append(("Keys fetched", ago(fetched.fetched_at, now) if fetched and fetched.fetched_at else "Never"))
    if row.state == IssuerState.SUSPENDED and row.suspended_by:
        facts.append(("Suspended by", _name(row.suspended_by)))
    return facts


def _trouble(fetched: IssuerKeys | None, now: datetime) -> str:
    if fetched is None or not fetched.error:
        return ""
    is_over = fetched.fetched_at is None or now - fetched.fetched_at >= KEPT
    hours = int(KEPT.total_seconds() // 3600)
    end = "Its tokens are refused." if is_over else f"The keys it had count for {counted(hours, 'hour', 'hours')} after they were fetched."
    return f"The last attempt to fetch its keys failed. {fetched.error} {end}"


def federated_rows(agent: Agent, now: datetime) -> list[FederatedRow]:
    """Return the agent's federated credentials, the newest first."""
    rows = agent.federated_credentials.select_related("issuer", "issued_by").order_by("-created_at")
    return [_federated_row(row, now) for row in rows]


def _federated_row(row: FederatedCredential, now: datetime) -> FederatedRow:
    is_live = row.revoked_at is None and row.not_after > now
    if row.revoked_at is not None:
        state = Tag("Revoked", Tone.PLAIN, "stop")
    elif not is_live:
        state = Tag("Ended", Tone.WARN, "clock")
    elif row.issuer.state != IssuerState.ACTIVE:
        state = Tag("Issuer suspended", Tone.WARN, "pause")
    else:
        state = Tag("Live", Tone.GOOD, "check")
    return FederatedRow(
        id=row.public_id,
        issuer=row.issuer.name,
        kind=row.issuer.get_kind_display(),
        subject=row.subject,
        claims=tuple((written(path), _shown(value)) for path, value in rows_of(row.claims)),
        state=state,
        last_used=ago(row.last_used_at, now) if row.last_used_at else "Never",
        ends=at(row.not_after),
        issued_by=_name(row.issued_by),
        is_live=is_live,
    )


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _name(user: User) -> str:
    return user.get_full_name() or user.get_username()
