"""Rows of the log. All of them are only ever added: UPDATE, DELETE and TRUNCATE are refused by trigger and by grants."""

from __future__ import annotations

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.functions import Now

from kernel.ids import new_id


class CurrentTransaction(models.Func):
    """The id of the inserting transaction, 64 bits wide, so that it never wraps around."""

    template = "((pg_current_xact_id())::text)::bigint"
    output_field = models.BigIntegerField()
    arity = 0


class Event(models.Model):
    """A recorded fact: `bytes` is the canonical record; every other column repeats a part of it, for searching.

    Partitioned by month of its id (audit/partitions.py). `transaction` lets the sealer look for unsealed rows among the recent
    ones only, without ever skipping a late committer: see audit/sealer.py.
    """

    event_id = models.UUIDField(primary_key=True, editable=False)
    kind = models.CharField(max_length=80)
    occurred_at = models.DateTimeField()
    # The statement's instant by the database's clock, not the transaction's: links then follow recorded_at.
    recorded_at = models.DateTimeField(db_default=Now())
    transaction = models.BigIntegerField(db_default=CurrentTransaction())
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=128)
    subject_kind = models.CharField(max_length=64)
    subject_id = models.CharField(max_length=128)
    proposal = models.CharField(max_length=64, blank=True, default="")
    company = models.CharField(max_length=64, blank=True, default="")
    tool = models.CharField(max_length=128, blank=True, default="")
    # The per-subject chain: `chain` is the proposal where there is one, so this is also the index by proposal.
    chain = models.CharField(max_length=200)
    position = models.PositiveBigIntegerField()
    previous_leaf = models.BinaryField(null=True)
    bytes = models.BinaryField()
    leaf = models.BinaryField()
    mac = models.BinaryField()

    class Meta:
        """Constraints carry the rules; indexes carry their reason."""

        constraints = [
            models.CheckConstraint(
                name="audit_event_first_has_no_previous",
                condition=models.Q(position=1, previous_leaf__isnull=True) | models.Q(position__gt=1, previous_leaf__isnull=False),
            ),
        ]
        indexes = [
            # One proposal's events in their order; that no two share a place is the link's primary key.
            models.Index(fields=["chain", "position"], name="audit_event_chain"),
            # The sealer's search for unsealed rows.
            models.Index(fields=["transaction"], name="audit_event_transaction"),
            # Periods: almost free, because rows arrive in this order.
            BrinIndex(fields=["recorded_at"], name="audit_event_recorded_at"),
        ]

    def __str__(self) -> str:
        """Return kind and id, for logs."""
        return f"{self.kind} {self.event_id}"


class Link(models.Model):
    """The place of an event in its subject's chain, over all partitions: a second successor, which would be a fork, can't be stored.

    A trigger adds it with the event. It holds the leaf, so that chain and tree can be verified after the event went into an archive.
    """

    pk = models.CompositePrimaryKey("chain", "position")
    chain = models.CharField(max_length=200)
    position = models.PositiveBigIntegerField()
    event_id = models.UUIDField(unique=True)
    leaf = models.BinaryField()

    def __str__(self) -> str:
        """Return the place, for logs."""
        return f"{self.chain} {self.position}"


class EventPayload(models.Model):
    """Readable content beside an event: not hashed, bound to it by a salted commitment, readable with the key of this record only.

    `content` is ciphertext over salt and payload (audit/payloads.py opens it), `key_id` the scheme, `salt` empty: it is inside.
    """

    event = models.OneToOneField(Event, on_delete=models.PROTECT, primary_key=True, related_name="payload", db_constraint=False)
    salt = models.BinaryField()
    content = models.BinaryField()
    key_id = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        """Plain content can't be stored, not even by SQL."""

        constraints = [models.CheckConstraint(name="audit_payload_is_encrypted", condition=~models.Q(key_id="") & models.Q(salt=b""))]

    def __str__(self) -> str:
        """Return whose payload it is, for logs."""
        return f"payload of {self.event_id}"


class PayloadKey(models.Model):
    """The data key of one payload, wrapped under the wrapping key of this id: the one thing about an event that can be destroyed.

    Shredding empties `wrapped` for good; a trigger lets it happen only on a list that two people approved (migration 0006).
    """

    payload = models.OneToOneField(
        EventPayload, on_delete=models.PROTECT, primary_key=True, db_column="event_id", related_name="key", db_constraint=False
    )
    wrapped = models.BinaryField(null=True)
    wrapping_key = models.CharField(max_length=16)
    shredded_at = models.DateTimeField(null=True)
    disposal_id = models.UUIDField(null=True)
    # The event that says so.
    tombstone_id = models.UUIDField(null=True)

    class Meta:
        """A key is there, or it was shredded: nothing between."""

        constraints = [
            models.CheckConstraint(
                name="audit_payloadkey_there_or_shredded",
                condition=models.Q(wrapped__isnull=False, shredded_at__isnull=True, disposal_id__isnull=True, tombstone_id__isnull=True)
                | models.Q(wrapped__isnull=True, shredded_at__isnull=False, disposal_id__isnull=False, tombstone_id__isnull=False),
            )
        ]
        indexes = [
            # Rotation: what is not wrapped under the newest key yet.
            models.Index(fields=["wrapping_key", "payload"], name="audit_payloadkey_wrapping", condition=models.Q(wrapped__isnull=False)),
            # The verifier and the certificates: what was shredded.
            models.Index(fields=["disposal_id"], name="audit_payloadkey_disposal", condition=models.Q(shredded_at__isnull=False)),
        ]

    def __str__(self) -> str:
        """Return whose key it is, for logs."""
        return f"key of the payload of {self.payload_id}"


class Seal(models.Model):
    """An event's place in the chain: the gapless sequence and the entry that links it to everything before."""

    sequence = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="seal", db_constraint=False)
    entry = models.BinaryField(unique=True)
    previous = models.BinaryField(unique=True)
    sealed_at = models.DateTimeField(db_default=Now())

    class Meta:
        """The sequence starts at one."""

        constraints = [models.CheckConstraint(name="audit_seal_from_one", condition=models.Q(sequence__gte=1))]

    def __str__(self) -> str:
        """Return the sequence, for logs."""
        return f"seal {self.sequence}"


class Frontier(models.Model):
    """The RFC 6962 tree after one batch: the roots of its perfect subtrees, largest first, its root and the last entry."""

    size = models.BigIntegerField(primary_key=True)
    subtrees = models.BinaryField()
    root = models.BinaryField()
    entry = models.BinaryField()
    sealed_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        """Return the size, for logs."""
        return f"frontier at {self.size}"


class Checkpoint(models.Model):
    """A signed head: the C2SP note that was exported outside the database."""

    size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField()
    note = models.TextField()
    signed_at = models.DateTimeField()

    def __str__(self) -> str:
        """Return the size, for logs."""
        return f"checkpoint at {self.size}"


class Export(models.Model):
    """One attempt to bring a checkpoint to a place outside the database, and what came of it; a success ends the attempts."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    exporter = models.CharField(max_length=100)
    size = models.BigIntegerField()
    attempted_at = models.DateTimeField()
    is_done = models.BooleanField()
    place = models.CharField(max_length=1000, blank=True, help_text="Where the checkpoint can be found")
    detail = models.CharField(max_length=1000, blank=True, help_text="Why it did not get there")
    answer = models.BinaryField(default=bytes, help_text="What the other side gave back: cosignatures, a time-stamp")

    class Meta:
        """A checkpoint arrives once at each place."""

        constraints = [
            models.UniqueConstraint(fields=["exporter", "size"], condition=models.Q(is_done=True), name="audit_export_arrives_once"),
            models.CheckConstraint(
                name="audit_export_says_what_became_of_it",
                condition=models.Q(is_done=True, detail="") | (models.Q(is_done=False) & ~models.Q(detail="")),
            ),
        ]
        indexes = [
            # The last attempts of one exporter: ids are made in the order of time.
            models.Index(fields=["exporter", "-id"], name="audit_export_newest"),
        ]

    def __str__(self) -> str:
        """Return what went where, for logs."""
        return f"{self.exporter} of checkpoint {self.size}"


from audit.retention.models import (  # noqa: E402, F401  tables of this app, kept beside their services
    Archive,
    Disposal,
    DisposalApproval,
    DisposalItem,
    LegalHold,
    RetentionRule,
)
