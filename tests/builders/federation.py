"""Foreign issuers for tests: a key, a trusted issuer, an agent's federated credential, and tokens of the documented shapes.

The shapes are those of the platforms' documents (docs/federation.md names them); nothing here was ever signed by a cloud.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from identity.federation.jwks import ForeignRegistry
from identity.federation.models import FederatedCredential, KeysFrom, TrustedIssuer
from identity.federation.services.credentials import register_federated_credential
from identity.federation.services.issuers import TrustTerms, activate_issuer, enter_issuer
from identity.models import Agent
from identity.tokens.requests import ASSERTION_GRANT_TYPE, ASSERTION_TYPE
from identity.tokens.resources import token_endpoint
from kernel.clock import now as clock_now
from tests.builders.identity import COMPANY, actor, details
from tests.builders.proofs import make_proof

TENANT = "11111111-2222-3333-4444-555555555555"
AGENT_APP = "aaaaaaaa-0000-4000-8000-000000000001"
AGENT_OBJECT = "bbbbbbbb-0000-4000-8000-000000000002"
BLUEPRINT = "cccccccc-0000-4000-8000-000000000003"
ACCOUNT = "https://sts.amazonaws.com/"
GOOGLE_POOL = "agents.global.org-123456789012.system.id.goog"


@lru_cache
def key_for(algorithm: str) -> Key:
    """Return the issuers' key for this algorithm; one for all tests, because RSA keys are slow to make."""
    return new_key(algorithm)


def new_key(algorithm: str) -> Key:
    """Return a new key for this algorithm, called k1."""
    if algorithm.startswith(("RS", "PS")):
        return RSAKey.generate_key(2048, {"kid": "k1"})
    if algorithm == "EdDSA":
        return OKPKey.generate_key("Ed25519", {"kid": "k1"})
    return ECKey.generate_key({"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm], {"kid": "k1"})


@dataclass(frozen=True)
class Shape:
    """What tokens of one platform look like, and which of their claims a credential lists."""

    name: str
    kind: str
    issuer: str
    subject: str
    algorithm: str
    audience: str
    listed: Mapping[str, Any]
    others: Mapping[str, Any] = field(default_factory=dict)
    lifetime: int = 3600
    typ: str | None = "JWT"
    use: str = "sig"
    missing: tuple[str, ...] = ()
    is_audience_list: bool = False

    def claims(self) -> dict[str, Any]:
        """Return the claims of a token that is just as it should be."""
        at = int(clock_now().timestamp())
        standard = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": [self.audience] if self.is_audience_list else self.audience,
            "iat": at,
            "nbf": at,
            "exp": at + self.lifetime,
            "jti": secrets.token_urlsafe(12),
        }
        merged = merge(merge(standard, self.listed), self.others)
        return {name: value for name, value in merged.items() if name not in self.missing}

    def jwk(self, key: Key | None = None) -> dict[str, Any]:
        """Return the public key as the issuer publishes it."""
        return {**(key or key_for(self.algorithm)).as_dict(private=False), "use": self.use}


def merge(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return both objects as one, nested parts together."""
    merged = deepcopy(dict(first))
    for name, value in second.items():
        is_nested = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = merge(merged[name], value) if is_nested else deepcopy(value)
    return merged


ENTRA_AGENT = {"tid": TENANT, "oid": AGENT_OBJECT, "idtyp": "app", "xms_par_app_azp": BLUEPRINT}
SHAPES = (
    Shape(
        "entra_v2", "entra", f"https://login.microsoftonline.com/{TENANT}/v2.0", AGENT_OBJECT, "RS256", "api://countersign",
        listed=ENTRA_AGENT | {"azp": AGENT_APP, "xms_act_fct": "11"},
        others={"ver": "2.0", "azpacr": "2", "xms_act_fct": "3 11", "xms_sub_fct": "11 9", "xms_idrel": "7", "rh": "0.AX", "uti": "u"},
        lifetime=5399, missing=("jti",),
    ),
    Shape(
        "entra_v1", "entra", f"https://sts.windows.net/{TENANT}/", AGENT_OBJECT, "RS256", "api://countersign",
        listed=ENTRA_AGENT | {"appid": AGENT_APP, "xms_sub_fct": "11"},
        others={"ver": "1.0", "appidacr": "2", "idp": f"https://sts.windows.net/{TENANT}/", "xms_sub_fct": "9 3 11"},
        lifetime=3899, missing=("jti",),
    ),
    Shape(
        "aws_sts", "aws_sts", "https://0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0.tokens.sts.global.api.aws",
        "arn:aws:iam::123456789012:role/PurchasingAgent", "ES384", "https://countersign.example.com",
        listed={ACCOUNT: {"aws_account": "123456789012", "org_id": "o-abc1234567"}},
        others={ACCOUNT: {"source_region": "eu-central-1", "request_tags": {"stage": "prod"}, "principal_tags": {"team": "buying"}}},
        lifetime=300,
    ),
    Shape(
        "gcp_agent", "gcp_agent",
        f"https://sts.googleapis.com/v1/organizations/123456789012/locations/global/workloadIdentityPools/{GOOGLE_POOL}",
        f"spiffe://{GOOGLE_POOL}/resources/aiplatform/projects/9876543210/locations/europe-west3/reasoningEngines/42",
        "RS256", "https://countersign.example.com", listed={}, others={"cnf": {"x5t#S256": "c2hhMjU2"}},
    ),
    Shape(
        "gcp_service_account", "gcp_service_account", "https://accounts.google.com", "112233445566778899001", "RS256",
        "https://countersign.example.com",
        listed={"email": "agent@project.iam.gserviceaccount.com", "email_verified": True},
        others={"azp": "112233445566778899001", "google": {"compute_engine": {"project_id": "project", "zone": "europe-west3-a"}}},
        missing=("jti", "nbf"),
    ),
    Shape(
        "kubernetes", "kubernetes", "https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE",
        "system:serviceaccount:finance:purchasing-agent", "RS256", "https://countersign.example.com",
        listed={"kubernetes.io": {"namespace": "finance", "serviceaccount": {"uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798"}}},
        others={
            "kubernetes.io": {
                "serviceaccount": {"name": "purchasing-agent"},
                "pod": {"name": "agent-7f9", "uid": "5e0bd49b-f040-43b0-99b7-22765a53f7f3"},
                "node": {"name": "node-1", "uid": "646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1"},
            }
        },
        typ=None, is_audience_list=True,
    ),
    Shape(
        "spiffe", "spiffe", "prod.example.com", "spiffe://prod.example.com/ns/finance/sa/purchasing-agent", "ES256",
        "https://countersign.example.com", listed={}, lifetime=300, use="jwt-svid", missing=("iss", "jti", "nbf"), is_audience_list=True,
    ),
)  # fmt: skip
BY_NAME = {shape.name: shape for shape in SHAPES}


def trust(shape: Shape, first: User, second: User, **changes: Any) -> TrustedIssuer:
    """Return the shape's issuer, entered by one person and activated by the other."""
    issuer = enter(shape, first, **changes)
    return activate_issuer(issuer_id=issuer.pk, actor=actor(second), now=clock_now())


def enter(shape: Shape, person: User, **changes: Any) -> TrustedIssuer:
    """Return the shape's issuer as this person enters it: with pinned keys, unless they come from an address."""
    terms: dict[str, Any] = {
        "name": f"Issuer {shape.name}",
        "kind": shape.kind,
        "issuer": shape.issuer,
        "companies": (COMPANY,),
        "audience": shape.audience,
        "algorithms": (shape.algorithm,),
        "keys_from": KeysFrom.PINNED,
    }
    if "keys_url" not in changes:
        terms["pinned_keys"] = {"keys": [shape.jwk()]}
    return enter_issuer(terms=TrustTerms(**terms | changes), actor=actor(person), now=clock_now())


def federate(agent: Agent, issuer: TrustedIssuer, shape: Shape, **changes: Any) -> FederatedCredential:
    """Return the credential by which the shape's subject stands for the agent."""
    values: dict[str, Any] = {"subject": shape.subject, "claims": shape.listed, "not_after": clock_now() + timedelta(days=30)} | changes
    return register_federated_credential(
        agent_id=agent.pk, trusted_issuer_id=issuer.pk, actor=actor(agent.owner), now=clock_now(), **values
    )


def sign(shape: Shape, claims: Mapping[str, Any], *, key: Key | None = None, **header: Any) -> str:
    """Return the claims as a token of the issuer; keyword arguments replace header fields, and None leaves one out."""
    head = {"alg": shape.algorithm, "kid": "k1", "typ": shape.typ} | header
    head = {name: value for name, value in head.items() if value is not None}
    return jwt.encode(head, dict(claims), key or key_for(shape.algorithm), registry=ForeignRegistry(str(head["alg"])))


def token_of(shape: Shape, change: Callable[[dict[str, Any]], object] | None = None, **claims: Any) -> str:
    """Return a token of the shape; keyword arguments replace claims, None leaves one out, `change` does anything else."""
    found = shape.claims() | claims
    found = {name: value for name, value in found.items() if value is not None}
    if change is not None:
        change(found)
    return sign(shape, found)


def exchange(token: str, *, proof_key: ECKey | None = None, as_client: bool = False, **fields: str) -> HttpResponse:
    """Return the token endpoint's answer to a foreign token: as a grant, or as client assertion; with a DPoP proof if there is a key."""
    form = {"authorization_details": details("propose", "create_purchase_order")}
    if as_client:
        form |= {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": token}
    else:
        form |= {"grant_type": ASSERTION_GRANT_TYPE, "assertion": token}
    body = urlencode(form | fields)
    headers = {"DPoP": make_proof(proof_key, "POST", token_endpoint(), body=body.encode())} if proof_key else {}
    return Client().post("/oauth/token", body, content_type="application/x-www-form-urlencoded", headers=headers)  # type: ignore[return-value]
