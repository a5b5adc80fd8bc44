"""Tables of federated credentials: whom we trust to name workloads, which of their subjects are agents, and what was presented."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from identity.federation.kinds import API_SERVER_AUDIENCES, LEGACY_KUBERNETES_ISSUER, IssuerKind
from identity.states import IssuerState
from kernel.errors import InvalidIdentifier
from kernel.ids import Prefix, decode, encode, new_id

# Asymmetric ones only: with a shared secret whoever verifies could also issue.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
# Without TLS, whoever stands between could hand us keys of theirs; on this machine nobody does.
KEYS_URL = r"^(https://|http://(127\.0\.0\.1|localhost|\[::1\])[:/])"


class KeysFrom(models.TextChoices):
    """Where an issuer's public keys come from."""

    JWKS_URI = "jwks_uri", "An address of its keys (JWKS)"
    DISCOVERY = "discovery", "Its OpenID Connect discovery document"
    PINNED = "pinned", "Pinned: the keys entered here, never fetched"


class TrustedIssuer(models.Model):
    """Somebody whose tokens name workloads for us; entered by one person and activated by another."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=20, choices=IssuerKind)
    issuer = models.CharField(max_length=500, help_text="`iss`, exactly; the trust domain for SPIFFE")
    companies = ArrayField(models.CharField(max_length=12), help_text="Agents of these companies may rest on it")
    audience = models.CharField(max_length=255, help_text="`aud`, exactly: the only one its tokens may have")
    algorithms = ArrayField(models.CharField(max_length=8))
    keys_from = models.CharField(max_length=10, choices=KeysFrom)
    keys_url = models.CharField(max_length=500, blank=True, default="")
    pinned_keys = models.JSONField(default=list, blank=True, help_text="Public JWKs")
    state = models.CharField(max_length=10, choices=IssuerState, default=IssuerState.PROPOSED)
    trusted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", help_text="Who entered it")
    created_at = models.DateTimeField()
    activated_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    activated_at = models.DateTimeField(null=True, blank=True)
    suspended_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    suspended_at = models.DateTimeField(null=True, blank=True)
    history = HistoricalRecords()

    class Meta:
        constraints = [
            # One issuer, one set of keys: with two rows it would be open whose keys count.
            models.UniqueConstraint(fields=["issuer"], name="identity_issuer_trusted_once"),
            models.CheckConstraint(condition=Q(kind__in=IssuerKind.values), name="identity_issuer_kind_known"),
            models.CheckConstraint(condition=Q(state__in=IssuerState.values), name="identity_issuer_state_known"),
            models.CheckConstraint(
                condition=~Q(issuer="") & ~Q(issuer=LEGACY_KUBERNETES_ISSUER) & ~Q(audience=""), name="identity_issuer_is_named"
            ),
            models.CheckConstraint(
                condition=~Q(kind=IssuerKind.KUBERNETES) | (~Q(audience__in=API_SERVER_AUDIENCES) & ~Q(audience=F("issuer"))),
                name="identity_issuer_audience_is_ours",
            ),
            models.CheckConstraint(
                condition=Q(algorithms__len__gt=0, algorithms__contained_by=list(ALGORITHMS)), name="identity_issuer_algorithms_known"
            ),
            models.CheckConstraint(
                condition=Q(keys_from=KeysFrom.PINNED, keys_url="") & ~Q(pinned_keys=[])
                | Q(keys_from__in=[KeysFrom.JWKS_URI, KeysFrom.DISCOVERY], keys_url__regex=KEYS_URL, pinned_keys=[]),
                name="identity_issuer_keys_come_from",
            ),
            # Two people: whoever entered an issuer could have entered keys of their own.
            models.CheckConstraint(
                condition=Q(state=IssuerState.PROPOSED, activated_by__isnull=True, suspended_by__isnull=True)
                | Q(state=IssuerState.ACTIVE, activated_by__isnull=False, activated_at__isnull=False)
                | Q(state=IssuerState.SUSPENDED, suspended_by__isnull=False, suspended_at__isnull=False),
                name="identity_issuer_state_has_its_people",
            ),
            models.CheckConstraint(
                condition=Q(activated_by__isnull=True) | ~Q(activated_by=F("trusted_by")), name="identity_issuer_activated_by_another"
            ),
        ]

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    @property
    def public_id(self) -> str:
        """Return the TypeID, `issuer_…`."""
        return encode(Prefix.ISSUER, self.pk)


class IssuerKeys(models.Model):
    """The keys last fetched from one issuer; never a matter of trust, so it may be written by whoever fetches."""

    issuer = models.OneToOneField(TrustedIssuer, on_delete=models.CASCADE, primary_key=True, related_name="fetched")
    keys = models.JSONField(default=list, help_text="Public JWKs")
    fetched_at = models.DateTimeField(null=True, blank=True)
    tried_at = models.DateTimeField(null=True, blank=True, help_text="Nobody tries again too soon after this")
    error = models.CharField(max_length=500, blank=True, default="", help_text="Why the last attempt brought nothing")

    def __str__(self) -> str:
        """Return whose keys these are."""
        return f"Keys of {self.issuer}"


class FederatedCredential(models.Model):
    """A subject of a trusted issuer that stands for an agent, as long as each listed claim is just so."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey("identity.Agent", on_delete=models.PROTECT, related_name="federated_credentials")
    issuer = models.ForeignKey(TrustedIssuer, on_delete=models.PROTECT, related_name="credentials")
    subject = models.CharField(max_length=600, help_text="`sub`, exactly")
    claims = models.JSONField(default=dict, help_text="What must be just so, nested as in the token")
    not_after = models.DateTimeField()
    issued_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    history = HistoricalRecords(excluded_fields=["last_used_at"])

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "issuer", "subject"],
                condition=Q(revoked_at__isnull=True),
                name="identity_federated_subject_once_per_agent",
            ),
            models.CheckConstraint(condition=~Q(subject=""), name="identity_federated_subject_is_named"),
        ]
        indexes = [models.Index(fields=["issuer", "subject"], name="identity_federated_subject")]

    def __str__(self) -> str:
        """Return who stands for whom."""
        return f"{self.agent}: {self.subject} of {self.issuer}"

    @property
    def public_id(self) -> str:
        """Return the TypeID, `fedc_…`: what stands for it in tokens, events and proposals, as the thumbprint does for a key."""
        return encode(Prefix.FEDERATED, self.pk)


class ForeignUse(models.Model):
    """One foreign token that was exchanged: whoever presents it again needs the key its first access token was bound to."""

    issuer = models.ForeignKey(TrustedIssuer, on_delete=models.CASCADE)
    digest = models.BinaryField(help_text="SHA-256 of the token's `jti`, or of the token where it has none")
    key_thumbprint = models.CharField(max_length=64, blank=True, default="")
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["issuer", "digest"], name="identity_foreign_token_used_once")]

    def __str__(self) -> str:
        """Return the digest."""
        return bytes(self.digest).hex()


def federated_key(reference: str) -> UUID | None:
    """Return the key of the federated credential that a token, event or proposal names as what proved the agent; None for a key's.

    A thumbprint is longer than a TypeID, however it begins.
    """
    try:
        return decode(Prefix.FEDERATED, reference)
    except InvalidIdentifier:
        return None
