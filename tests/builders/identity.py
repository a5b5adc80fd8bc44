"""People, agents, keys, grants and tokens for tests: plain functions, each with defaults that make sense in DE01.

Times are real by default, because the token endpoint and the API look at the real clock.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from joserfc import jwt
from joserfc.jwk import ECKey, Key

from gateway.catalogue import get_tool
from identity import services
from identity.authentication import authenticate_agent
from identity.models import Agent, ApprovalGroup, ApprovalGroupMember, Credential, Grant, Role, RoleAssignment, TokenBinding
from identity.principals import AgentPrincipal
from identity.services import GrantTerms
from identity.tokens.requests import ASSERTION_TYPE
from identity.tokens.resources import Resource, issuer, public_url
from identity.tokens.signing import current_ring
from kernel.actors import Actor
from kernel.canonical import to_json_text
from kernel.clock import now as clock_now

COMPANY = "DE01"
PASSWORD = "correct horse battery staple"


def make_user(name: str, roles: Iterable[Role | str] = (), companies: Sequence[str] = (COMPANY,), *, password: str = "") -> User:
    """Return a person with these roles in these companies; without a password nobody can log in as them (fast)."""
    user = User.objects.create_user(username=name, email=f"{name}@example.com", first_name=name.title(), password=password or None)
    for role in roles:
        RoleAssignment.objects.create(user=user, role=Role(role), companies=list(companies), created_at=clock_now())
    return user


def make_group(code: str, *members: User, companies: Sequence[str] = (COMPANY,), title: str = "") -> ApprovalGroup:
    """Return an approval group with these members, without limits."""
    group, _ = ApprovalGroup.objects.get_or_create(code=code, defaults={"title": title or code.title()})
    for member in members:
        make_member(group, member, companies=companies)
    return group


def make_member(
    group: ApprovalGroup,
    user: User,
    *,
    companies: Sequence[str] = (COMPANY,),
    limit_minor: int | None = None,
    limit_currency: str = "",
) -> ApprovalGroupMember:
    """Return the person's membership in the group."""
    return ApprovalGroupMember.objects.create(
        group=group, user=user, companies=list(companies), limit_minor=limit_minor, limit_currency=limit_currency
    )


def actor(user: User) -> Actor:
    """Return the actor of a person."""
    return Actor.human(user.pk)


def make_key() -> ECKey:
    """Return a new P-256 key pair."""
    return ECKey.generate_key("P-256")


def public_jwk(key: Key) -> dict[str, object]:
    """Return the public half."""
    return dict(key.as_dict(private=False))


def make_agent(
    owner: User,
    *,
    name: str = "Purchasing agent",
    companies: Sequence[str] = (COMPANY,),
    sponsor: User | None = None,
    is_active: bool = True,
    expires_on: date | None = None,
    now: datetime | None = None,
    acts_for: Iterable[User] = (),
    token_binding: str = TokenBinding.BEARER,
) -> Agent:
    """Return an agent of this owner (who needs the role agent_owner), registered and activated by them."""
    at = now or clock_now()
    agent = services.register_agent(
        name=name,
        purpose="Orders parts before they run out.",
        runtime="A test",
        owner_id=owner.pk,
        sponsor_id=(sponsor or _sponsor(name, companies)).pk,
        companies=list(companies),
        model="No model: a script",
        acts_for=[person.pk for person in acts_for],
        expires_on=expires_on or at.date() + timedelta(days=90),
        token_binding=token_binding,
        actor=actor(owner),
        now=at,
    )
    return services.activate_agent(agent_id=agent.pk, actor=actor(owner), now=at) if is_active else agent


def make_credential(agent: Agent, key: Key, *, now: datetime | None = None, algorithm: str = "") -> Credential:
    """Return the agent's credential for this key, registered by its owner."""
    at = now or clock_now()
    return services.register_credential(
        agent_id=agent.pk,
        jwk=public_jwk(key),
        not_after=at + timedelta(days=90),
        algorithm=algorithm,
        actor=actor(agent.owner),
        now=at,
    )


def terms(
    *,
    companies: Sequence[str] = (COMPANY,),
    currency: str = "EUR",
    ceiling_minor: int = 100_000_00,
    ceiling_day_minor: int = 1_000_000_00,
    ceiling_30_days_minor: int = 10_000_000_00,
    count_per_hour: int = 1_000,
    vendors: Sequence[str] = (),
    accounts: Sequence[str] = (),
    cost_centres: Sequence[str] = (),
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
) -> GrantTerms:
    """Return generous terms of a write grant."""
    return GrantTerms(
        companies=tuple(companies),
        valid_from=valid_from,
        valid_until=valid_until or clock_now() + timedelta(days=90),
        vendors=tuple(vendors),
        accounts=tuple(accounts),
        cost_centres=tuple(cost_centres),
        currency=currency,
        ceiling_minor=ceiling_minor,
        ceiling_day_minor=ceiling_day_minor,
        ceiling_30_days_minor=ceiling_30_days_minor,
        count_per_hour=count_per_hour,
    )


def read_terms(companies: Sequence[str] = (COMPANY,)) -> GrantTerms:
    """Return the terms of a read grant."""
    return GrantTerms(companies=tuple(companies), valid_until=clock_now() + timedelta(days=90))


def make_grant(
    agent: Agent,
    tool: str = "create_purchase_order",
    *,
    is_active: bool = True,
    bounds: GrantTerms | None = None,
    now: datetime | None = None,
) -> Grant:
    """Return the agent's grant for the tool, issued (and for a write let out of log-only, unless told otherwise) by its owner."""
    at = now or clock_now()
    is_write = str(get_tool(tool).kind) == "write"
    chosen = bounds or (terms(companies=agent.companies) if is_write else read_terms(agent.companies))
    grant = services.issue_grant(agent_id=agent.pk, tool=tool, terms=chosen, actor=actor(agent.owner), now=at)
    if is_write and is_active:
        return services.activate_grant(grant_id=grant.pk, actor=actor(agent.owner), now=at)
    return grant


def make_assertion(agent: Agent, key: Key, *, header: dict[str, object] | None = None, **claims: object) -> str:
    """Return a client assertion good for two minutes; keyword arguments replace claims, and None leaves one out."""
    at = int(clock_now().timestamp())
    standard: dict[str, object] = {
        "iss": agent.public_id,
        "sub": agent.public_id,
        "aud": issuer(),
        "iat": at,
        "exp": at + 120,
        "jti": secrets.token_urlsafe(16),
    }
    chosen = {name: value for name, value in (standard | claims).items() if value is not None}
    head = {"alg": "ES256", "kid": key.thumbprint(), "typ": "JWT"} | (header or {})
    return jwt.encode({name: value for name, value in head.items() if value is not None}, chosen, key, algorithms=[str(head["alg"])])


def details(action: str, tool: str, company: str = COMPANY, **more: object) -> str:
    """Return the authorization_details parameter for one action with one tool in one company."""
    return to_json_text([{"type": "countersign_tool", "actions": [action], "tool": tool, "company": company, **more}])


def token_form(assertion: str, authorization_details: str, **fields: str | list[str]) -> str:
    """Return the form that asks for a token; keyword arguments replace or add fields, and an empty text leaves one out."""
    form: dict[str, str | list[str]] = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        "authorization_details": authorization_details,
    }
    return urlencode({name: value for name, value in (form | fields).items() if value != ""}, doseq=True)


def token_response(assertion: str, authorization_details: str, **fields: str | list[str]) -> HttpResponse:
    """Return the token endpoint's answer; keyword arguments replace or add form fields."""
    form = token_form(assertion, authorization_details, **fields)
    return Client().post("/oauth/token", form, content_type="application/x-www-form-urlencoded")  # type: ignore[return-value]


def access_token(
    agent: Agent, key: Key, action: str = "propose", tool: str = "create_purchase_order", company: str = COMPANY, **more: object
) -> str:
    """Return an access token got from the real endpoint; fails with the endpoint's answer when there is none."""
    response = token_response(make_assertion(agent, key), details(action, tool, company, **more))
    answer = response.json()  # type: ignore[attr-defined]
    assert response.status_code == 200, answer
    return str(answer["access_token"])


def bearer(token: str) -> dict[str, str]:
    """Return the header for `client.post(…, headers=bearer(token))`."""
    return {"Authorization": f"Bearer {token}"}


def principal(
    agent: Agent, key: Key, action: str = "propose", tool: str = "create_purchase_order", company: str = COMPANY, **more: object
) -> AgentPrincipal:
    """Return the principal of a token got from the real endpoint."""
    return bearer_principal(access_token(agent, key, action, tool, company, **more))


def signing_key() -> ECKey:
    """Return the key that signs access tokens now, for tests that forge them."""
    return current_ring().signing(clock_now()).key


def bearer_principal(token: str, now: datetime | None = None, *, resource: Resource = Resource.API) -> AgentPrincipal:
    """Return the principal behind a plain Bearer token at one of the doors, now or at another instant."""
    return authenticate_agent(
        authorization=f"Bearer {token}",
        proof=None,
        method="GET",
        url=public_url(f"/{resource}"),
        body=b"",
        resource=resource,
        now=now or clock_now(),
    )


def equipped_agent(
    owner: User,
    *tools: str,
    name: str = "Purchasing agent",
    companies: Sequence[str] = (COMPANY,),
    acts_for: Iterable[User] = (),
) -> tuple[Agent, ECKey]:
    """Return an active agent with a key and active grants for these tools, and its key: the usual start of an API test."""
    agent, key = make_agent(owner, name=name, companies=companies, acts_for=acts_for), make_key()
    make_credential(agent, key)
    for tool in tools or ("create_purchase_order",):
        make_grant(agent, tool)
    return agent, key


def _sponsor(name: str, companies: Sequence[str]) -> User:
    return make_user(f"sponsor-of-{name.lower().replace(' ', '-')}", [Role.CONTROLLER], companies)
