"""What strengthens a decision and what is said around it: step-up, passkey signatures, comments, attachments; all insert-only."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from kernel.ids import new_id
from proposals.models import Proposal

ATTACHMENT_SIZE_MAX = 5 * 1024 * 1024
MEDIA_TYPES = ("application/pdf", "image/jpeg", "image/png", "text/plain")


class StepUp(models.Model):
    """A person pressed a button and was asked for a strong second factor first; what they had typed is kept for their return.

    `shown_at` is when the page was shown on which they pressed: a second factor counts when it is newer than that display, although
    the page is displayed once more after it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    purpose = models.CharField(max_length=20, help_text="decision, bulk or policy")
    subject = models.CharField(max_length=80, help_text="The digest of what was shown")
    draft = models.JSONField(default=dict, help_text="What was pressed and typed")
    shown_at = models.DateTimeField()
    asked_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(asked_at__gte=F("shown_at")), name="approvals_asked_after_shown")]
        indexes = [models.Index(fields=["user", "purpose", "subject", "-asked_at"], name="approvals_step_up_newest")]

    def __str__(self) -> str:
        """Return who was asked for what."""
        return f"{self.user_id}: {self.purpose}"


class Ceremony(models.Model):
    """One signing under way: a challenge made for one statement of one person, used at most once and not for long."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    salt = models.BinaryField(help_text="32 random bytes inside the statement: its digest tells nobody what was typed")
    digest = models.BinaryField(help_text="SHA-256 of the statement")
    nonce = models.BinaryField()
    state = models.JSONField(help_text="What fido2 needs to check the answer")
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "ceremonies"

    def __str__(self) -> str:
        """Return for whom it was begun."""
        return f"{self.user_id} at {self.created_at.isoformat()}"


class Signature(models.Model):
    """A passkey's signature over one statement, with everything an offline check needs, as the bytes that were received.

    `client_data` is never parsed and written again: the signature is over exactly these bytes. The key is kept here because a person
    may remove their passkey.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    ceremony = models.OneToOneField(Ceremony, on_delete=models.PROTECT, related_name="+")
    statement_bytes = models.BinaryField(help_text="Canonical bytes of what was signed: proposal, digests, decision, reason, comment")
    digest = models.BinaryField(help_text="SHA-256 of the statement, within the challenge")
    nonce = models.BinaryField()
    client_data = models.BinaryField()
    authenticator_data = models.BinaryField()
    signature = models.BinaryField()
    credential_id = models.BinaryField()
    public_key = models.BinaryField(help_text="COSE key")
    attestation_object = models.BinaryField(help_text="From the enrolment: ties the key to it; its AAGUID is a claim, not a proof")
    aaguid = models.CharField(max_length=40)
    flags = models.PositiveSmallIntegerField(help_text="0x01 present, 0x04 verified, 0x08 and 0x10: a passkey that is synced")
    counter = models.BigIntegerField(help_text="Kept as evidence; synced passkeys send 0 for ever")
    rp_id = models.CharField(max_length=255)
    origin = models.CharField(max_length=255)
    signed_at = models.DateTimeField()

    class Meta:
        constraints = [
            # User present and user verified: a signature without the person is none.
            models.CheckConstraint(
                condition=Q(flags__in=[flags for flags in range(256) if flags & 0x05 == 0x05]), name="approvals_signature_verified"
            ),
        ]

    def __str__(self) -> str:
        """Return who signed."""
        return f"{self.user_id} at {self.signed_at.isoformat()}"


class Comment(models.Model):
    """What a person said about a proposal without deciding."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(text=""), name="approvals_comment_says_something")]
        indexes = [models.Index(fields=["proposal", "created_at"], name="approvals_comments")]

    def __str__(self) -> str:
        """Return the beginning of the text."""
        return self.text[:60]


class Attachment(models.Model):
    """A file that a person put beside a proposal; part of the page from then on."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="attachments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=120, help_text="As the person called it; never a path")
    media_type = models.CharField(max_length=40, help_text="Found from the content, not from the name")
    size = models.PositiveIntegerField()
    digest = models.CharField(max_length=71, help_text="Plain SHA-256 of the content, as sha256sum prints it")
    content = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["proposal", "digest"], name="approvals_attached_once"),
            models.CheckConstraint(condition=Q(media_type__in=MEDIA_TYPES), name="approvals_attachment_type_known"),
            models.CheckConstraint(condition=Q(size__gte=1, size__lte=ATTACHMENT_SIZE_MAX), name="approvals_attachment_size"),
        ]
        indexes = [models.Index(fields=["proposal", "created_at"], name="approvals_attachments")]

    def __str__(self) -> str:
        """Return the name."""
        return self.name
