"""The authority matrix, the route each proposal got from it, who is excluded, what was shown, what was decided."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from approvals.calendars.models import BusinessCalendar, Holiday  # noqa: F401  tables of this app, kept beside their services
from approvals.delegation.models import Delegation
from approvals.states import DecisionKind, PolicyState, RollingKey, StepRuleKind, StepState
from identity.models import ApprovalGroup
from kernel.canonical import parse_json
from kernel.ids import Prefix, encode, new_id
from kernel.money import Money
from proposals.models import Proposal


class Policy(models.Model):
    """One version of the authority matrix; immutable once it left draft."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    version = models.PositiveIntegerField(unique=True)
    title = models.CharField(max_length=120)
    state = models.CharField(max_length=10, choices=PolicyState, default=PolicyState.DRAFT)
    text_bytes = models.BinaryField(default=b"", help_text="Canonical text of all rows, fixed when the policy leaves draft")
    digest = models.CharField(max_length=71, blank=True, help_text="Over text_bytes; empty in draft")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    activated_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "policies"
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=Q(state=PolicyState.ACTIVE), name="approvals_one_active_policy"),
            models.CheckConstraint(condition=Q(state__in=PolicyState.values), name="approvals_policy_state_known"),
            # A second person activates: the author is excluded here too, not only in the service.
            models.CheckConstraint(
                condition=Q(activated_by__isnull=True) | ~Q(activated_by=F("author")), name="approvals_author_never_activates"
            ),
            models.CheckConstraint(
                condition=Q(state__in=[PolicyState.DRAFT, PolicyState.REVIEW], activated_by__isnull=True)
                | Q(state__in=[PolicyState.ACTIVE, PolicyState.RETIRED], activated_by__isnull=False, activated_at__isnull=False),
                name="approvals_active_means_activated",
            ),
        ]

    def __str__(self) -> str:
        """Return the version and title."""
        return f"v{self.version} {self.title}"

    @property
    def public_id(self) -> str:
        """Return the TypeID, which begins with pol_."""
        return encode(Prefix.POLICY, self.pk)


class PolicyRow(models.Model):
    """One line of the matrix: what it matches and whom it asks. First match by priority."""

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="rows")
    priority = models.PositiveIntegerField()
    title = models.CharField(max_length=120)
    tool = models.CharField(max_length=64)
    company = models.CharField(max_length=12, blank=True, help_text="Empty matches every company")
    cost_centre = models.CharField(max_length=120, blank=True, help_text="Patterns such as 41*, 4200; empty matches every cost centre")
    account = models.CharField(
        max_length=120, blank=True, default="", help_text="Patterns; matches when one account of the write does; empty matches every write"
    )
    counterparty = models.CharField(max_length=120, blank=True, default="", help_text="Patterns of vendor, customer or item numbers")
    vendor_class = models.CharField(
        max_length=120, blank=True, default="", db_default="", help_text="Patterns of the classes in which the ERP keeps vendors"
    )
    flags_required = ArrayField(models.CharField(max_length=4), default=list, blank=True, help_text="Rules that must have struck")
    flags_forbidden = ArrayField(models.CharField(max_length=4), default=list, blank=True, help_text="Rules that must not have struck")
    currency = models.CharField(max_length=3, help_text="The company's currency, in which the amount is compared")
    from_minor = models.BigIntegerField(default=0, help_text="Inclusive")
    up_to_minor = models.BigIntegerField(null=True, blank=True, help_text="Inclusive; empty means no upper end")
    rolling_days = models.PositiveIntegerField(
        default=0, help_text="Compare the rolling sum per agent over so many days, not the single amount"
    )
    rolling_by = models.CharField(max_length=12, choices=RollingKey, default=RollingKey.COUNTERPARTY, help_text="What the sum is kept by")
    is_automatic = models.BooleanField(default=False, help_text="Approves without a person: reversible tools only, capped")
    steps = models.JSONField(help_text='[{"group": "purchasing", "min_approvals": 1}], asked in order')
    bulk_up_to_minor = models.BigIntegerField(null=True, blank=True, help_text="May be approved in bulk up to this amount; empty: never")
    step_up_from_minor = models.BigIntegerField(null=True, blank=True, help_text="From this amount on a decision needs a second factor")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text="Who last wrote this row"
    )

    class Meta:
        ordering = ["priority"]
        constraints = [
            models.UniqueConstraint(fields=["policy", "priority"], name="approvals_priority_once_per_policy"),
            models.CheckConstraint(
                condition=Q(up_to_minor__isnull=True) | Q(up_to_minor__gte=F("from_minor")), name="approvals_band_not_empty"
            ),
            models.CheckConstraint(
                condition=Q(is_automatic=False) | Q(up_to_minor__isnull=False, steps=[]), name="approvals_automatic_is_capped"
            ),
            models.CheckConstraint(condition=Q(is_automatic=True) | ~Q(steps=[]), name="approvals_row_asks_somebody"),
            models.CheckConstraint(condition=Q(rolling_by__in=RollingKey.values), name="approvals_rolling_key_known"),
            models.CheckConstraint(condition=~Q(flags_required__overlap=F("flags_forbidden")), name="approvals_flag_on_one_side"),
        ]

    def __str__(self) -> str:
        """Return the title."""
        return self.title


class Route(models.Model):
    """The steps one proposal got from the active policy, snapshotted: later policies do not change it."""

    proposal = models.OneToOneField(Proposal, on_delete=models.PROTECT, primary_key=True, related_name="route")
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT)
    row = models.ForeignKey(PolicyRow, on_delete=models.PROTECT)
    reason = models.TextField(help_text="Why this row matched, in one sentence")
    routed_minor = models.BigIntegerField(help_text="The amount compared: the single amount or the rolling sum")
    routed_currency = models.CharField(
        max_length=3, blank=True, default="", db_default="", help_text="The company's currency; empty when it is the proposal's own"
    )
    is_automatic = models.BooleanField(default=False)
    snapshot_bytes = models.BinaryField(help_text="Canonical bytes: policy, row, steps, people and exclusions as they were")
    digest = models.CharField(max_length=71, help_text="Over snapshot_bytes")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        """Return the reason."""
        return self.reason

    def routed(self, proposal: Proposal) -> Money:
        """Return the amount that was held against the matrix, in the company's currency."""
        return Money(self.routed_minor, self.routed_currency or proposal.currency)

    @property
    def snapshot(self) -> dict[str, Any]:
        """Return the snapshot for reading; hash `snapshot_bytes`, never this."""
        value = parse_json(bytes(self.snapshot_bytes))
        assert isinstance(value, dict)
        return value


class RouteStep(models.Model):
    """One step of a route: a group, and how many different people of it must approve."""

    route = models.ForeignKey(Route, on_delete=models.PROTECT, related_name="steps")
    position = models.PositiveIntegerField()
    group = models.ForeignKey(ApprovalGroup, on_delete=models.PROTECT)
    min_approvals = models.PositiveIntegerField(help_text="How many different people, all groups together")
    rule = models.CharField(max_length=10, choices=StepRuleKind, default=StepRuleKind.QUORUM, db_default=StepRuleKind.QUORUM)
    per_group = models.PositiveIntegerField(default=0, db_default=0, help_text="How many of each group, for the rule per_group")
    is_distinct = models.BooleanField(default=True, db_default=True, help_text="One person counts for one of the groups only")
    state = models.CharField(max_length=10, choices=StepState, default=StepState.WAITING)
    opened_at = models.DateTimeField(null=True, blank=True)
    satisfied_at = models.DateTimeField(null=True, blank=True)
    due_days = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Business days from opening; empty: the installation's")
    due_at = models.DateTimeField(null=True, blank=True, help_text="Set when the step opens, by the company's calendar")
    fallback_group = models.ForeignKey(
        ApprovalGroup, on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text="Asked as well once it is overdue"
    )
    escalated_at = models.DateTimeField(null=True, blank=True, help_text="Since when the fallback group is asked as well")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["route", "position"], name="approvals_step_position_once"),
            models.UniqueConstraint(fields=["route"], condition=Q(state=StepState.OPEN), name="approvals_one_open_step"),
            models.CheckConstraint(condition=Q(min_approvals__gte=1), name="approvals_step_needs_somebody"),
            models.CheckConstraint(
                condition=Q(rule=StepRuleKind.PER_GROUP, per_group__gte=1)
                | (Q(rule__in=[StepRuleKind.ANY, StepRuleKind.ALL, StepRuleKind.QUORUM]) & Q(per_group=0)),
                name="approvals_step_rule_known",
            ),
            models.CheckConstraint(condition=Q(state__in=StepState.values), name="approvals_step_state_known"),
            models.CheckConstraint(
                condition=Q(escalated_at__isnull=True) | Q(fallback_group__isnull=False, due_at__isnull=False),
                name="approvals_escalated_to_somebody",
            ),
        ]
        indexes = [
            # What is overdue is escalated, what is due soon is said.
            models.Index(fields=["due_at"], condition=Q(state=StepState.OPEN), name="approvals_open_steps_by_due"),
            # Whoever is in a fallback group is asked for what was escalated to it.
            models.Index(
                fields=["fallback_group"],
                condition=Q(state=StepState.OPEN, escalated_at__isnull=False),
                name="approvals_escalated_steps",
            ),
            # The inbox asks for open steps of my groups.
            models.Index(fields=["group"], condition=Q(state=StepState.OPEN), name="approvals_open_steps_by_group"),
        ]

    def __str__(self) -> str:
        """Return the position and group."""
        return f"{self.position}. {self.group}"


class Exclusion(models.Model):
    """Somebody who may not decide on this proposal, and why (segregation of duties), as found at routing."""

    route = models.ForeignKey(Route, on_delete=models.PROTECT, related_name="exclusions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=40, help_text="owner, sponsor, asked, issued_credential, issued_grant, last_editor, policy_author")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["route", "user", "reason"], name="approvals_excluded_once_per_reason")]

    def __str__(self) -> str:
        """Return who and why."""
        return f"{self.user_id}: {self.reason}"


class Presentation(models.Model):
    """The facts put on an approver's page, as bytes: what a decision's presentation digest points at."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="presentations")
    digest = models.CharField(max_length=71)
    stored_bytes = models.BinaryField()
    renderer = models.CharField(max_length=40)
    locale = models.CharField(max_length=16)
    page_digest = models.CharField(max_length=71, blank=True, help_text="Plain SHA-256 of the page that the renderer makes of these facts")
    needs_reason = models.BooleanField(default=False, help_text="Something on it wants a look: approving asks for a reason and a comment")
    first_shown_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["proposal", "digest"], name="approvals_presentation_once")]

    def __str__(self) -> str:
        """Return the digest."""
        return self.digest

    @property
    def facts(self) -> dict[str, Any]:
        """Return the facts for reading; hash `stored_bytes`, never this."""
        value = parse_json(bytes(self.stored_bytes))
        assert isinstance(value, dict)
        return value


class Opening(models.Model):
    """The first time one person was shown one presentation: nobody decides on a page that was never theirs; insert-only."""

    presentation = models.ForeignKey(Presentation, on_delete=models.PROTECT, related_name="openings")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["presentation", "user"], name="approvals_opened_once")]

    def __str__(self) -> str:
        """Return who opened it."""
        return f"{self.user_id} at {self.opened_at.isoformat()}"


class Decision(models.Model):
    """One person's approve, reject or request-changes on one digest; insert-only."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="decisions")
    step = models.ForeignKey(RouteStep, on_delete=models.PROTECT, related_name="decisions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="decisions")
    kind = models.CharField(max_length=16, choices=DecisionKind)
    payload_digest = models.CharField(max_length=71)
    presentation = models.ForeignKey(Presentation, on_delete=models.PROTECT, related_name="decisions")
    reason_code = models.CharField(max_length=40, blank=True)
    comment = models.TextField(blank=True)
    authentication = models.JSONField(default=list, help_text="Methods of the deciding person's login, e.g. password, totp")
    second_factor = models.JSONField(null=True, blank=True, help_text="The login's record of the strong second factor, copied")
    second_factor_at = models.DateTimeField(null=True, blank=True)
    signature = models.ForeignKey(
        "approvals.Signature",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="decisions",
        help_text="The passkey's, if signed",
    )
    acting_for = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Whose right was used, when a delegate decided",
    )
    delegation = models.ForeignKey(Delegation, on_delete=models.PROTECT, null=True, blank=True, related_name="decisions")
    shown_at = models.DateTimeField()
    decided_at = models.DateTimeField()

    class Meta:
        constraints = [
            # One person, one decision, across all steps.
            models.UniqueConstraint(fields=["proposal", "user"], name="approvals_one_decision_per_person"),
            # One right, one decision: a delegate and the delegator, or two delegates of one person, don't count twice.
            models.UniqueConstraint(F("proposal"), Coalesce("acting_for", "user"), name="approvals_one_decision_per_right"),
            models.CheckConstraint(
                condition=Q(acting_for__isnull=True, delegation__isnull=True)
                | (Q(acting_for__isnull=False, delegation__isnull=False) & ~Q(acting_for=F("user"))),
                name="approvals_acting_by_delegation",
            ),
            models.CheckConstraint(condition=Q(kind__in=DecisionKind.values), name="approvals_decision_kind_known"),
            models.CheckConstraint(condition=Q(decided_at__gte=F("shown_at")), name="approvals_decided_after_shown"),
            # Refusing asks for a reason in words.
            models.CheckConstraint(
                condition=Q(kind=DecisionKind.APPROVE) | (~Q(reason_code="") & ~Q(comment="")),
                name="approvals_refusal_has_reason",
            ),
            # The person's hand on a second factor after they had seen the page: what came before proves nothing about it.
            models.CheckConstraint(
                condition=Q(second_factor__isnull=True, second_factor_at__isnull=True)
                | Q(
                    second_factor__isnull=False,
                    second_factor_at__isnull=False,
                    second_factor_at__gt=F("shown_at"),
                    second_factor_at__lte=F("decided_at"),
                ),
                name="approvals_second_factor_after_shown",
            ),
        ]

    def __str__(self) -> str:
        """Return who decided what."""
        return f"{self.user_id} {self.kind}"

    @property
    def public_id(self) -> str:
        """Return the TypeID, which begins with dec_."""
        return encode(Prefix.DECISION, self.pk)


# One table of models for Django, in two files for readers; the other file names these models, so it comes last.
from approvals.bulk.models import Bulk, BulkItem  # noqa: E402, F401
from approvals.flags.models import Flag, ThresholdSet  # noqa: E402, F401
from approvals.mail.models import Mail, MailPreference  # noqa: E402, F401
from approvals.matrix.models import CompanyCurrency, ExchangeRate, PolicyEditor, RateImport, StepGroup  # noqa: E402, F401  tables of this app, too
from approvals.models_decision import Attachment, Ceremony, Comment, Signature, StepUp  # noqa: E402
from approvals.oversight.models import Draw, EvidenceOpening, Review  # noqa: E402, F401
from approvals.work.models import Claim, Looking, Snooze  # noqa: E402, F401

__all__ = [
    "Attachment",
    "Ceremony",
    "Comment",
    "Decision",
    "Exclusion",
    "Opening",
    "Policy",
    "PolicyRow",
    "Presentation",
    "Route",
    "RouteStep",
    "Signature",
    "StepUp",
]
