"""Agents, credentials, grants; people's roles and approval groups."""

from __future__ import annotations

from datetime import UTC

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now, TruncDate
from simple_history.models import HistoricalRecords

from identity.federation.models import FederatedCredential, ForeignUse, IssuerKeys, TrustedIssuer  # noqa: F401  tables of this app, too
from identity.limits.models import RateCounter, RefusalCount  # noqa: F401  tables of this app, kept beside their services
from identity.preferences.models import SavedView  # noqa: F401  a table of this app, too
from identity.states import AgentState, GrantState, Suspension
from kernel.ids import Prefix, encode, new_id


class Role(models.TextChoices):
    """What a person is here for; a person may have several roles."""

    APPROVER = "approver", "Approver"
    CONTROLLER = "controller", "Controller"
    AGENT_OWNER = "agent_owner", "Agent owner"
    OPERATOR = "operator", "Operator"
    AUDITOR = "auditor", "Auditor"
    ADMINISTRATOR = "administrator", "Administrator"


class RoleAssignments(models.Manager["RoleAssignment"]):
    """Role assignments; rights come from those in force only."""

    def in_force(self) -> models.QuerySet[RoleAssignment]:
        """Return the assignments that have no end, or whose last day is not over in UTC, by the database's clock."""
        return self.filter(IN_FORCE)


# To be asked of assignments themselves.
IN_FORCE = Q(expires_on__isnull=True) | Q(expires_on__gte=TruncDate(Now(), tzinfo=UTC))


class RoleAssignment(models.Model):
    """One role of one person, in the companies listed; an auditor's may end by itself."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="role_assignments")
    role = models.CharField(max_length=20, choices=Role)
    companies = ArrayField(models.CharField(max_length=12), help_text="Company codes, e.g. DE01")
    expires_on = models.DateField(null=True, blank=True, help_text="An auditor's last day, in UTC; empty: until it is taken back")
    created_at = models.DateTimeField()
    objects = RoleAssignments()
    history = HistoricalRecords()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "role"], name="identity_role_once_per_person"),
            # Whoever decides or answers for an agent is taken out by a person, who sees what depends on them.
            models.CheckConstraint(condition=Q(expires_on__isnull=True) | Q(role=Role.AUDITOR), name="identity_only_auditors_expire"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="identity_role_known"),
        ]

    def __str__(self) -> str:
        """Return the role and whose it is."""
        return f"{self.user} as {self.get_role_display()}"


class ApprovalGroup(models.Model):
    """The people a step of a route may ask, e.g. `purchasing` or `finance`."""

    code = models.SlugField(unique=True)
    title = models.CharField(max_length=80)

    def __str__(self) -> str:
        """Return the title."""
        return self.title


class ApprovalGroupMember(models.Model):
    """One person in one approval group, with the largest amount that person may decide on there (no limit when empty)."""

    group = models.ForeignKey(ApprovalGroup, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="approval_memberships")
    companies = ArrayField(models.CharField(max_length=12))
    limit_minor = models.BigIntegerField(null=True, blank=True)
    limit_currency = models.CharField(max_length=3, blank=True, default="")
    history = HistoricalRecords()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group", "user"], name="identity_member_once_per_group"),
            models.CheckConstraint(
                condition=Q(limit_minor__isnull=True, limit_currency="")
                | Q(limit_minor__isnull=False, limit_minor__gte=0, limit_currency__regex=r"^[A-Z]{3}$"),
                name="identity_member_limit_has_currency",
            ),
        ]

    def __str__(self) -> str:
        """Return who is in which group."""
        return f"{self.user} in {self.group}"


class TokenBinding(models.TextChoices):
    """Whether an agent's tokens need its key at every use (RFC 9449) or open the door to whoever carries them."""

    DPOP = "dpop", "DPoP: bound to a key"
    BEARER = "bearer", "Bearer: whoever holds the token may use it"


class TokenShape(models.TextChoices):
    """How much one token of an agent may be for."""

    SINGLE = "single", "One action with one tool in one company"
    SET = "set", "Several actions in one token"


class Agent(models.Model):
    """A non-human principal that proposes. Never a row of auth_user: it has no login, no groups and no way to staff rights."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=80, unique=True)
    purpose = models.TextField()
    runtime = models.CharField(max_length=120, help_text="Where it runs")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="owned_agents")
    sponsor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="sponsored_agents")
    companies = ArrayField(models.CharField(max_length=12))
    model = models.CharField(max_length=80, help_text="Model as declared by its owner")
    model_version = models.CharField(max_length=80, blank=True)
    # Primary keys of people. An agent that could name anybody could exclude whom it likes from deciding.
    acts_for = ArrayField(models.BigIntegerField(), default=list, blank=True, help_text="The people it may name as having asked")
    state = models.CharField(max_length=20, choices=AgentState, default=AgentState.DRAFT)
    expires_on = models.DateField(help_text="Review date: past it the agent is suspended until its owner renews")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    last_edited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    suspended_at = models.DateTimeField(null=True, blank=True)
    suspended_because = models.CharField(max_length=20, choices=Suspension, blank=True, default="")
    decommissioned_at = models.DateTimeField(null=True, blank=True)
    token_binding = models.CharField(max_length=6, choices=TokenBinding, default=TokenBinding.DPOP)
    token_shape = models.CharField(max_length=6, choices=TokenShape, default=TokenShape.SINGLE)
    is_strict = models.BooleanField(default=False, help_text="Its proofs must cover the request's body (content_digest)")
    default_details = models.JSONField(default=list, blank=True, help_text="What its token is for when it does not say")
    history = HistoricalRecords()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=AgentState.values), name="identity_agent_state_known"),
            models.CheckConstraint(
                condition=Q(state=AgentState.DECOMMISSIONED, decommissioned_at__isnull=False)
                | (~Q(state=AgentState.DECOMMISSIONED) & Q(decommissioned_at__isnull=True)),
                name="identity_agent_decommissioned_at_matches",
            ),
            models.CheckConstraint(condition=Q(token_binding__in=TokenBinding.values), name="identity_agent_token_binding_known"),
            models.CheckConstraint(condition=Q(token_shape__in=TokenShape.values), name="identity_agent_token_shape_known"),
            # A bearer token has no proof that could cover a body.
            models.CheckConstraint(
                condition=Q(is_strict=False) | Q(token_binding=TokenBinding.DPOP), name="identity_agent_strict_has_proofs"
            ),
            models.CheckConstraint(condition=~Q(owner=F("sponsor")), name="identity_agent_owner_is_not_sponsor"),
            models.CheckConstraint(
                condition=Q(state=AgentState.SUSPENDED, suspended_at__isnull=False, suspended_because__in=Suspension.values)
                | (Q(state__in=[AgentState.DRAFT, AgentState.ACTIVE], suspended_at__isnull=True, suspended_because=""))
                | Q(state=AgentState.DECOMMISSIONED),
                name="identity_agent_suspension_matches",
            ),
        ]

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    @property
    def public_id(self) -> str:
        """Return the TypeID, `agent_…`."""
        return encode(Prefix.AGENT, self.pk)


class Credential(models.Model):
    """A registered public key of one agent; the private half never comes here."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="credentials")
    jwk = models.JSONField(help_text="Public JWK: its required members only")
    thumbprint = models.CharField(max_length=64, unique=True, help_text="RFC 7638, base64url")
    algorithm = models.CharField(max_length=8)
    not_after = models.DateTimeField()
    issued_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    history = HistoricalRecords(excluded_fields=["last_used_at"])

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(algorithm__in=["ES256", "EdDSA", "RS256", "PS256"]), name="identity_credential_algorithm_known"
            ),
            # A private JWK has "d"; refusing it here keeps a careless caller from storing one.
            models.CheckConstraint(condition=~Q(jwk__has_key="d"), name="identity_credential_is_public"),
        ]

    def __str__(self) -> str:
        """Return whose key this is."""
        return f"{self.agent}: {self.thumbprint[:12]}"

    @property
    def public_id(self) -> str:
        """Return the TypeID, `cred_…`."""
        return encode(Prefix.CREDENTIAL, self.pk)


# Tools nobody can grant to an agent; the catalogue's own list is compared with this one by a test.
PRIVILEGED_TOOLS = ("change_vendor_bank_account", "close_period", "open_period")


class Grant(models.Model):
    """The bounded right of one agent to one tool."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="grants")
    tool = models.CharField(max_length=64)
    tool_kind = models.CharField(max_length=5, choices=[("read", "Read"), ("write", "Write")])
    risk = models.CharField(max_length=10)
    state = models.CharField(max_length=10, choices=GrantState, default=GrantState.LOG_ONLY)
    companies = ArrayField(models.CharField(max_length=12))
    vendors = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    accounts = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    cost_centres = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    currency = models.CharField(max_length=3, blank=True, default="")
    ceiling_minor = models.BigIntegerField(null=True, blank=True, help_text="Per write")
    ceiling_day_minor = models.BigIntegerField(null=True, blank=True, help_text="Rolling 24 hours")
    ceiling_30_days_minor = models.BigIntegerField(null=True, blank=True, help_text="Rolling 30 days")
    count_per_hour = models.PositiveIntegerField(null=True, blank=True)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField()
    issued_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    activated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who let a write grant out of log-only",
    )
    activated_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    history = HistoricalRecords()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "tool"], condition=~Q(state=GrantState.REVOKED), name="identity_one_open_grant_per_tool"
            ),
            models.CheckConstraint(condition=Q(state__in=GrantState.values), name="identity_grant_state_known"),
            # The ceiling no one can lift, not even by SQL as the application.
            models.CheckConstraint(condition=~Q(risk="privileged") & ~Q(tool__in=PRIVILEGED_TOOLS), name="identity_grant_never_privileged"),
            # A write without a ceiling and its currency would be boundless. The isnull terms matter: a comparison with NULL is
            # neither true nor false, and a CHECK lets that pass.
            models.CheckConstraint(
                condition=Q(tool_kind="read")
                | Q(
                    ceiling_minor__isnull=False,
                    ceiling_day_minor__isnull=False,
                    ceiling_30_days_minor__isnull=False,
                    count_per_hour__isnull=False,
                    ceiling_minor__gte=0,
                    ceiling_day_minor__gte=0,
                    ceiling_30_days_minor__gte=0,
                    count_per_hour__gte=0,
                    currency__regex=r"^[A-Z]{3}$",
                ),
                name="identity_write_grant_is_bounded",
            ),
            models.CheckConstraint(
                condition=Q(state=GrantState.REVOKED, revoked_at__isnull=False)
                | (~Q(state=GrantState.REVOKED) & Q(revoked_at__isnull=True)),
                name="identity_grant_revoked_at_matches",
            ),
            # No write leaves log-only without the person who let it.
            models.CheckConstraint(
                condition=~Q(state=GrantState.ACTIVE) | Q(tool_kind="read") | Q(activated_by__isnull=False),
                name="identity_active_write_was_activated",
            ),
        ]

    def __str__(self) -> str:
        """Return who may use what."""
        return f"{self.agent}: {self.tool}"

    @property
    def public_id(self) -> str:
        """Return the TypeID, `grant_…`."""
        return encode(Prefix.GRANT, self.pk)


class AssertionUse(models.Model):
    """One client assertion that was accepted: presenting it again is a replay until it expires, and afterwards it is expired."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE)
    jti = models.CharField(max_length=128)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "jti"], name="identity_assertion_used_once")]

    def __str__(self) -> str:
        """Return the assertion's id."""
        return self.jti


class ProofUse(models.Model):
    """One DPoP proof that was accepted: presenting it again is a replay until it expires, and afterwards it is expired."""

    digest = models.BinaryField(primary_key=True, help_text="SHA-256 over the key's thumbprint and the proof's jti")
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        """Return the digest."""
        return bytes(self.digest).hex()


class RevokedToken(models.Model):
    """An access token that its agent gave back before its end (RFC 7009)."""

    token_id = models.UUIDField(primary_key=True)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        """Return the token's id."""
        return str(self.token_id)
