"""What each platform's workload tokens look like, and what an agent's credential must therefore ask of them.

Pure rules, from the platforms' own documents (docs/federation.md names them). The database holds the same mandatory claims.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import TextChoices

Path = tuple[str, ...]
GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
SEGMENT = r"[A-Za-z0-9._-]+"
WEB_TYPES = frozenset({None, "jwt"})
ACCESS_TYPES = WEB_TYPES | {"at+jwt", "application/at+jwt"}
DAY_SECONDS = 24 * 3600
LEGACY_KUBERNETES_ISSUER = "kubernetes/serviceaccount"
# What an API server takes when nobody configured its audiences: a token for it is none for us.
API_SERVER_AUDIENCES = (
    "https://kubernetes.default.svc",
    "https://kubernetes.default.svc.cluster.local",
    "https://kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes",
    "api",
)
# The chief claims of a JWT have fields and checks of their own.
OWN_CHECKS = frozenset({"iss", "sub", "aud", "exp", "iat", "nbf", "jti"})


class IssuerKind(TextChoices):
    """Whose workload tokens an issuer's are."""

    ENTRA = "entra", "Microsoft Entra Agent ID"
    AWS_STS = "aws_sts", "AWS: STS web identity, AgentCore"
    GCP_AGENT = "gcp_agent", "Google Cloud: agent identity"
    GCP_SERVICE_ACCOUNT = "gcp_service_account", "Google Cloud: service account"
    KUBERNETES = "kubernetes", "Kubernetes: projected service account"
    SPIFFE = "spiffe", "SPIFFE: JWT-SVID"
    GENERIC = "generic", "Another OpenID Connect issuer"


@dataclass(frozen=True, slots=True)
class KindRules:
    """What holds for tokens and credentials of one kind of issuer.

    `mandatory`: of each group of claims a credential lists at least one. `fixed`: claims that are listed with just this value.
    `forbidden`: what no credential may rest on. `refused`: what no token may carry. `words`: claims that are lists of words in one
    text, where a credential's words must be among the token's. `lifetime_seconds_max`: None for the setting's.
    """

    issuer: str
    issuer_example: str
    subject: str
    subject_example: str
    mandatory: tuple[tuple[Path, ...], ...] = ()
    fixed: Mapping[Path, object] = field(default_factory=dict)
    forbidden: tuple[Path, ...] = ()
    refused: tuple[Path, ...] = ()
    words: frozenset[Path] = frozenset()
    types: frozenset[str | None] = WEB_TYPES
    lifetime_seconds_max: int | None = None
    has_issued_at: bool = True
    key_use: str = "sig"
    is_key_use_required: bool = False
    takes_confirmation: bool = False


GOOGLE_POOL = r"agents\.global\.(?:org|proj)-[0-9]+\.system\.id\.goog"

RULES: Mapping[str, KindRules] = {
    IssuerKind.ENTRA: KindRules(
        issuer=rf"https://login\.(?:microsoftonline\.com|microsoftonline\.us|partner\.microsoftonline\.cn)/{GUID}/v2\.0"
        rf"|https://sts\.windows\.net/{GUID}/",
        issuer_example="https://login.microsoftonline.com/<tenant id>/v2.0, or https://sts.windows.net/<tenant id>/ for version 1 tokens",
        subject=r"[\x21-\x7e]{1,255}",
        subject_example="the token's `sub`",
        # The marker tells an agent from every other application; the blueprint alone would be all of its agents.
        mandatory=((("tid",),), (("azp",), ("appid",)), (("oid",),), (("xms_par_app_azp",), ("xms_act_fct",), ("xms_sub_fct",))),
        fixed={("idtyp",): "app"},
        words=frozenset({("xms_act_fct",), ("xms_sub_fct",)}),
        types=ACCESS_TYPES,
        # Documented as a random 60 to 90 minutes.
        lifetime_seconds_max=2 * 3600,
    ),
    IssuerKind.AWS_STS: KindRules(
        issuer=rf"https://{GUID}\.tokens\.sts\.global\.api\.aws",
        issuer_example="https://<uuid of the account>.tokens.sts.global.api.aws",
        subject=r"arn:aws[a-z-]*:iam::[0-9]{12}:(?:role|user)/[\x21-\x7e]{1,512}",
        subject_example="arn:aws:iam::<account>:role/<name>",
        mandatory=((("https://sts.amazonaws.com/", "aws_account"),),),
        # Whoever asks STS for the token chooses these.
        forbidden=(("https://sts.amazonaws.com/", "request_tags"),),
    ),
    IssuerKind.GCP_AGENT: KindRules(
        issuer=r"https://sts\.googleapis\.com/v1/(?:organizations|projects)/[0-9]+/locations/global/workloadIdentityPools/" + GOOGLE_POOL,
        issuer_example="https://sts.googleapis.com/v1/organizations/<number>/locations/global/workloadIdentityPools/"
        "agents.global.org-<number>.system.id.goog",
        subject=rf"spiffe://{GOOGLE_POOL}/resources(?:/{SEGMENT})+",
        subject_example="spiffe://agents.global.org-<number>.system.id.goog/resources/aiplatform/projects/<number>/locations/<location>"
        "/reasoningEngines/<id>",
        takes_confirmation=True,
    ),
    IssuerKind.GCP_SERVICE_ACCOUNT: KindRules(
        issuer=r"https://accounts\.google\.com",
        issuer_example="https://accounts.google.com",
        subject=r"[0-9]{21}",
        subject_example="the account's unique id of 21 digits",
        mandatory=((("email",),),),
        fixed={("email_verified",): True},
        # On tokens of the metadata server it repeats `sub`; elsewhere it is something else.
        forbidden=(("azp",),),
    ),
    IssuerKind.KUBERNETES: KindRules(
        issuer=r"https://[\x21-\x7e]{1,490}",
        issuer_example="the cluster's --service-account-issuer, an https address",
        subject=r"system:serviceaccount:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?",
        subject_example="system:serviceaccount:<namespace>:<name>",
        # A name may be created again; the uid is this one's.
        mandatory=((("kubernetes.io", "serviceaccount", "uid"),),),
        forbidden=(("kubernetes.io", "warnafter"),),
        # Its presence says that the API server extended the token to a year.
        refused=(("kubernetes.io", "warnafter"),),
        lifetime_seconds_max=DAY_SECONDS,
    ),
    IssuerKind.SPIFFE: KindRules(
        issuer=r"[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?",
        issuer_example="the trust domain, e.g. prod.example.com",
        subject=rf"spiffe://[a-z0-9._-]{{1,255}}(?:/{SEGMENT})+",
        subject_example="spiffe://<trust domain>/<path>",
        types=frozenset({None, "jwt", "jose"}),
        has_issued_at=False,
        key_use="jwt-svid",
        is_key_use_required=True,
    ),
    IssuerKind.GENERIC: KindRules(
        issuer=r"https://[\x21-\x7e]{1,490}",
        issuer_example="the issuer's `iss`, an https address",
        subject=r"[\x20-\x7e]{1,512}",
        subject_example="the token's `sub`",
        types=ACCESS_TYPES,
    ),
}


def is_issuer_of(kind: str, text: str) -> bool:
    """Return whether an issuer of this kind can be called so."""
    return bool(re.fullmatch(RULES[kind].issuer, text)) and text != LEGACY_KUBERNETES_ISSUER


def subject_problem(kind: str, issuer: str, subject: str) -> str:
    """Return why no token of this issuer can have the subject, as a sentence; empty when one can."""
    if not re.fullmatch(RULES[kind].subject, subject):
        return "The subject does not have the form of this platform's."
    if kind == IssuerKind.SPIFFE and trust_domain_of(subject) != issuer:
        return f"The subject is not of the trust domain {issuer}."
    if kind == IssuerKind.GCP_AGENT and trust_domain_of(subject) != issuer.rpartition("/")[2]:
        return "The subject is not of the issuer's pool."
    return ""


def trust_domain_of(subject: object) -> str:
    """Return the trust domain of a SPIFFE id, or an empty text for anything else."""
    if not isinstance(subject, str) or not subject.startswith("spiffe://"):
        return ""
    return subject.removeprefix("spiffe://").partition("/")[0]


def is_api_server_audience(issuer: str, audience: str) -> bool:
    """Return whether a Kubernetes API server would take tokens for this audience, so that its own tokens could be sent to us."""
    return audience in API_SERVER_AUDIENCES or audience == issuer
