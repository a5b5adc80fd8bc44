"""Tables of retention: rules, holds, lists of what is to be destroyed, and archives of old ranges. People appear by opaque id."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from audit.retention.classes import DAYS_MAX, FLOOR_DAYS, RetentionClass
from audit.retention.states import DisposalState, HoldState
from kernel.ids import Prefix, encode, new_id


class RetentionRule(models.Model):
    """How long one class is kept from now on; only ever added to, the newest counts."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    retention_class = models.CharField(max_length=16, choices=RetentionClass)
    days = models.PositiveIntegerField()
    reason = models.CharField(max_length=500)
    set_by = models.CharField(max_length=128)
    set_at = models.DateTimeField()

    class Meta:
        constraints = [
            # 182 days is refused, whoever asks.
            models.CheckConstraint(name="audit_retention_floor", condition=Q(days__gte=FLOOR_DAYS, days__lte=DAYS_MAX)),
            models.CheckConstraint(name="audit_retention_class_known", condition=Q(retention_class__in=RetentionClass.values)),
            models.CheckConstraint(name="audit_retention_has_a_reason", condition=~Q(reason="")),
        ]
        # The newest rule of each class.
        indexes = [models.Index(fields=["retention_class", "-id"], name="audit_retention_newest")]

    def __str__(self) -> str:
        return f"{self.retention_class}: {self.days} days"


class HoldScope(models.TextChoices):
    """What a hold covers."""

    EVERYTHING = "everything", "Everything"
    COMPANY = "company", "One company"
    PROPOSAL = "proposal", "One proposal"
    AGENT = "agent", "One agent"
    PERSON = "person", "One person"


class LegalHold(models.Model):
    """While it is in force, nothing it covers can be destroyed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    matter = models.CharField(max_length=200, help_text="The case or file it belongs to")
    scope = models.CharField(max_length=12, choices=HoldScope)
    value = models.CharField(max_length=128, blank=True, default="", help_text="Which company, proposal, agent or person")
    since = models.DateTimeField(null=True, blank=True)
    until = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=HoldState, default=HoldState.PLACED)
    reason = models.CharField(max_length=500)
    placed_by = models.CharField(max_length=128)
    placed_at = models.DateTimeField()
    released_by = models.CharField(max_length=128, blank=True, default="")
    released_at = models.DateTimeField(null=True, blank=True)
    release_reason = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(name="audit_hold_scope_known", condition=Q(scope__in=HoldScope.values)),
            models.CheckConstraint(
                name="audit_hold_names_what_it_covers",
                condition=Q(scope=HoldScope.EVERYTHING, value="") | (~Q(scope=HoldScope.EVERYTHING) & ~Q(value="")),
            ),
            models.CheckConstraint(
                name="audit_hold_period_runs_forward",
                condition=Q(since__isnull=True) | Q(until__isnull=True) | Q(since__isnull=False, until__isnull=False, since__lt=F("until")),
            ),
            models.CheckConstraint(
                name="audit_hold_state_has_its_people",
                condition=Q(state=HoldState.PLACED, released_by="", released_at__isnull=True)
                | (Q(state=HoldState.RELEASED, released_at__isnull=False) & ~Q(released_by="") & ~Q(release_reason="")),
            ),
            models.CheckConstraint(name="audit_hold_has_a_reason", condition=~Q(reason="") & ~Q(matter="")),
        ]
        # The few that are in force are asked for each event.
        indexes = [models.Index(fields=["scope", "value"], name="audit_hold_in_force", condition=Q(state=HoldState.PLACED))]

    def __str__(self) -> str:
        return self.matter

    @property
    def public_id(self) -> str:
        """Return the TypeID."""
        return encode(Prefix.HOLD, self.id)


class Purpose(models.TextChoices):
    """Why payloads are on a list."""

    EXPIRY = "expiry", "Expiry"
    ERASURE = "erasure", "Erasure for one person"


class Disposal(models.Model):
    """A list of payloads to be destroyed: fixed when it is made, approved by two people, carried out once."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    purpose = models.CharField(max_length=8, choices=Purpose)
    person = models.CharField(max_length=128, blank=True, default="", help_text="Whose data is erased: an opaque id")
    state = models.CharField(max_length=10, choices=DisposalState, default=DisposalState.LISTED)
    reason = models.CharField(max_length=500, blank=True, default="")
    prepared_by = models.CharField(max_length=128)
    prepared_at = models.DateTimeField()
    # How many are to be destroyed, how many stay and why they do; SHA-256 over the ids of the first, in order.
    listed = models.PositiveIntegerField()
    exempt = models.PositiveIntegerField(default=0)
    list_digest = models.CharField(max_length=80)
    companies = models.JSONField(default=list)
    declined_by = models.CharField(max_length=128, blank=True, default="")
    shredded = models.PositiveIntegerField(default=0)
    # Items that a hold took hold of between listing and carrying out.
    held_back = models.PositiveIntegerField(default=0)
    completed_at = models.DateTimeField(null=True, blank=True)
    certificate = models.BinaryField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="audit_disposal_purpose_known", condition=Q(purpose__in=Purpose.values)),
            models.CheckConstraint(
                name="audit_disposal_names_the_person",
                condition=Q(purpose=Purpose.EXPIRY, person="") | (Q(purpose=Purpose.ERASURE) & ~Q(person="")),
            ),
            models.CheckConstraint(
                name="audit_disposal_state_is_complete",
                condition=Q(state__in=[DisposalState.LISTED, DisposalState.APPROVED], completed_at__isnull=True, declined_by="")
                | (Q(state=DisposalState.DECLINED, completed_at__isnull=True) & ~Q(declined_by=""))
                | Q(state=DisposalState.COMPLETED, completed_at__isnull=False, certificate__isnull=False, declined_by=""),
            ),
            # Two lists of what has expired would name the same payloads twice.
            models.UniqueConstraint(
                fields=["purpose"],
                name="audit_disposal_one_open_expiry",
                condition=Q(purpose=Purpose.EXPIRY, state__in=[DisposalState.LISTED, DisposalState.APPROVED]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} of {self.listed} payloads"

    @property
    def public_id(self) -> str:
        """Return the TypeID."""
        return encode(Prefix.DISPOSAL, self.id)


class DisposalItem(models.Model):
    """One payload on a list; `exempt` says why it stays, and is empty for one that goes."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    disposal = models.ForeignKey(Disposal, on_delete=models.PROTECT, related_name="items")
    event_id = models.UUIDField()
    kept_until = models.DateTimeField(help_text="When the last class that counts for this list ends")
    exempt = models.CharField(max_length=60, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["disposal", "event_id"], name="audit_disposal_item_once")]

    def __str__(self) -> str:
        return f"payload of {self.event_id}"


class DisposalApproval(models.Model):
    """One person approved one list, named by its digest."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    disposal = models.ForeignKey(Disposal, on_delete=models.PROTECT, related_name="approvals")
    person = models.CharField(max_length=128)
    list_digest = models.CharField(max_length=80)
    approved_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["disposal", "person"], name="audit_disposal_approved_once_by_each")]

    def __str__(self) -> str:
        return f"approval of {self.disposal_id} by {self.person}"


class Archive(models.Model):
    """A range of events that was written to a file, verified there, and detached from the live table."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    first_sequence = models.BigIntegerField()
    last_sequence = models.BigIntegerField(unique=True)
    root = models.BinaryField()
    partitions = models.JSONField(default=list)
    file = models.CharField(max_length=500)
    sha256 = models.CharField(max_length=80)
    archived_by = models.CharField(max_length=128)
    archived_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="audit_archive_runs_forward", condition=Q(first_sequence__gte=1, last_sequence__gte=F("first_sequence"))
            )
        ]

    def __str__(self) -> str:
        return f"archive of {self.first_sequence} to {self.last_sequence}"
