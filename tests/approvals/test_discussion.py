"""Comments and attachments: who may, how many, what kind of file, how it is served; only ever added, and part of the evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.test import Client

from approvals import evidence
from approvals.models import Attachment, Comment
from approvals.models_decision import ATTACHMENT_SIZE_MAX
from approvals.services import discussion
from approvals.uploads import download_name, media_type_of, plain_name
from audit.models import Event
from identity.models import Role
from kernel.canonical import parse_json
from kernel.clock import now as clock_now
from kernel.errors import DomainError
from proposals.models import Proposal
from tests.builders.approvals import Cast, an_order, decided, decided_by, opened
from tests.builders.identity import actor, make_user

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20 + b"IEND\xaeB`\x82"
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 20 + b"\xff\xd9"


def said(cast: Cast, proposal: Proposal, text: str = "Is the price per hundred?") -> Comment:
    return discussion.comment(user=cast.alice, proposal_id=proposal.public_id, text=text, actor=actor(cast.alice), now=clock_now())


def attached(cast: Cast, proposal: Proposal, content: bytes = PDF, name: str = "quote.pdf") -> Attachment:
    return discussion.attach(
        user=cast.alice, proposal_id=proposal.public_id, name=name, content=content, actor=actor(cast.alice), now=clock_now()
    )


def assert_refused(code: str, act: Callable[[], object]) -> None:
    with pytest.raises(DomainError) as refusal:
        act()
    assert refusal.value.code == code
    assert not Comment.objects.exists()
    assert not Attachment.objects.exists()
    assert Event.objects.filter(kind="proposal:discussion_refused").count() == 1


def test_a_comment_stands_beside_the_proposal_and_its_words_beside_the_event(cast: Cast) -> None:
    proposal = an_order(cast)
    page = opened(cast.bob, proposal)
    said(cast, proposal, "Ask Karl Ruf first.\r\nHe knows.")
    assert Comment.objects.get().text == "Ask Karl Ruf first.\nHe knows."
    event = Event.objects.get(kind="proposal:commented")
    assert b"Karl" not in bytes(event.bytes)
    assert event.proposal == proposal.public_id
    # What people say to each other makes nobody's page stale.
    decided(cast.bob, page)


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 2_001], ids=["empty", "blank", "long"])
def test_a_comment_says_something_and_not_everything(cast: Cast, text: str) -> None:
    proposal = an_order(cast)
    assert_refused("validation_failed", lambda: said(cast, proposal, text))


def test_an_attachment_is_part_of_the_page_from_then_on(cast: Cast) -> None:
    proposal = an_order(cast)
    before = opened(cast.bob, proposal)
    kept = attached(cast, proposal)
    assert kept.digest == f"sha256:{hashlib.sha256(PDF).hexdigest()}"
    with pytest.raises(DomainError) as refusal:
        decided(cast.bob, before)
    assert refusal.value.code == "stale_page"
    changes = refusal.value.data["changes"]
    assert isinstance(changes, list)
    assert ("attachments 1.digest", "none", kept.digest) in [(item["label"], item["was"], item["now"]) for item in changes]
    after = opened(cast.bob, proposal)
    assert after.facts["attachments"][0]["digest"] == kept.digest
    decided(cast.bob, after)


def test_the_same_file_twice_is_one_attachment(cast: Cast) -> None:
    proposal = an_order(cast)
    assert attached(cast, proposal).pk == attached(cast, proposal, name="again.pdf").pk
    assert Event.objects.filter(kind="proposal:attached").count() == 1


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (PDF, "application/pdf"),
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        ("Größe;Preis\r\n1;2\u00a0€\n".encode(), "text/plain"),
        (b"<script>alert(1)</script>", "text/plain"),
        (b"%PDF-1.7 cut short", "text/plain"),
        (b"\x89PNG\r\n\x1a\n", ""),
        (b"MZ\x90\0", ""),
        (b"PK\x03\x04", ""),
        (b"text\0with a nul", ""),
        ("text".encode("utf-16"), ""),
        (b"", ""),
    ],
)
def test_what_a_file_is_follows_from_its_content(content: bytes, found: str) -> None:
    assert media_type_of(content) == found


@pytest.mark.parametrize(
    "content", [b"", b"MZ\x90\0 an invoice, it says", PDF + b" " * ATTACHMENT_SIZE_MAX], ids=["empty", "program", "large"]
)
def test_a_file_that_is_not_taken_leaves_one_record(cast: Cast, content: bytes) -> None:
    proposal = an_order(cast)
    assert_refused("validation_failed", lambda: attached(cast, proposal, content, "invoice.pdf"))


def test_names_are_plain() -> None:
    assert plain_name("../../etc/passwd") == "passwd"
    assert plain_name("C:\\Temp\\in\u202evoice\x00.pdf") == "in_voice_.pdf"
    assert plain_name(" . ") == "attachment"
    assert len(plain_name("x" * 500)) == 120
    assert download_name("quote.pdf", "application/pdf") == "quote.pdf"
    assert download_name("invoice.exe", "text/plain") == "invoice.exe.txt"


def test_who_may_only_look_adds_nothing(cast: Cast) -> None:
    proposal = an_order(cast)
    auditor = make_user("greta", [Role.AUDITOR])
    for user, code in ((auditor, "permission_denied"), (cast.charlie, "not_found")):
        with pytest.raises(DomainError) as refusal:
            discussion.comment(user=user, proposal_id=proposal.public_id, text="Hm.", actor=actor(user), now=clock_now())
        assert refusal.value.code == code
    assert not Comment.objects.exists()


def test_a_decided_proposal_is_closed_in_the_database_too(cast: Cast) -> None:
    proposal = an_order(cast)
    decided_by(cast.alice, proposal)
    assert_refused("discussion_closed", lambda: said(cast, proposal))
    with pytest.raises(IntegrityError, match="not pending"), transaction.atomic():
        Comment.objects.create(proposal=proposal, author=cast.alice, text="Late.", created_at=clock_now())


def test_there_is_an_end_to_it(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    proposal = an_order(cast)
    said(cast, proposal)
    monkeypatch.setattr(discussion, "COMMENTS_MAX", 1)
    with pytest.raises(DomainError, match="at most 1 comments"):
        said(cast, proposal)
    for number in range(20):
        attached(cast, proposal, f"file {number}".encode(), f"{number}.txt")
    with pytest.raises(DomainError, match="at most 20 attachments"):
        attached(cast, proposal)
    with pytest.raises(IntegrityError, match="has 20 of these"), transaction.atomic():
        Attachment.objects.create(
            proposal=proposal,
            author=cast.alice,
            name="x",
            media_type="application/pdf",
            size=len(PDF),
            digest=f"sha256:{hashlib.sha256(PDF).hexdigest()}",
            content=PDF,
            created_at=clock_now(),
        )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE approvals_comment SET text = 'x'",
        "DELETE FROM approvals_comment",
        "UPDATE approvals_attachment SET name = 'x'",
        "DELETE FROM approvals_attachment",
    ],
)
def test_what_was_said_stays(cast: Cast, statement: str) -> None:
    proposal = an_order(cast)
    said(cast, proposal)
    attached(cast, proposal)
    with pytest.raises(IntegrityError, match="only ever added"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_database_computes_the_digest_itself(cast: Cast) -> None:
    proposal = an_order(cast)
    with pytest.raises(IntegrityError, match="attachment_digest"), transaction.atomic():
        Attachment.objects.create(
            proposal=proposal,
            author=cast.alice,
            name="x",
            media_type="text/plain",
            size=1,
            digest=f"sha256:{hashlib.sha256(b'y').hexdigest()}",
            content=b"x",
            created_at=clock_now(),
        )


# The door -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def door(cast: Cast) -> Client:
    """Return alice's browser."""
    client = Client()
    client.force_login(cast.alice, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_a_file_is_attached_and_saved_and_never_opened_in_the_console(cast: Cast, door: Client) -> None:
    proposal = an_order(cast)
    path = f"/proposals/{proposal.public_id}/"
    upload = SimpleUploadedFile("evil.html", b"<script>alert(1)</script>", content_type="text/html")
    assert door.post(f"{path}attach/", {"file": upload}).status_code == 303
    page = door.get(path).content.decode()
    assert "evil.html" in page
    kept = Attachment.objects.get()
    answer = door.get(f"{path}attachments/{discussion.public_id(kept)}/")
    assert answer.status_code == 200
    assert answer.content == b"<script>alert(1)</script>"
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == 'attachment; filename="evil.html.txt"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"].startswith("sandbox")
    assert Event.objects.filter(kind="proposal:attachment_fetched", actor_id=str(cast.alice.pk)).count() == 1


def test_an_attachment_of_another_company_or_proposal_is_not_there(cast: Cast, door: Client) -> None:
    proposal, other = an_order(cast), an_order(cast)
    identifier = discussion.public_id(attached(cast, proposal))
    assert door.get(f"/proposals/{other.public_id}/attachments/{identifier}/").status_code == 404
    door.force_login(cast.charlie, backend="django.contrib.auth.backends.ModelBackend")
    assert door.get(f"/proposals/{proposal.public_id}/attachments/{identifier}/").status_code == 404
    assert not Event.objects.filter(kind="proposal:attachment_fetched").exists()


def test_a_form_without_a_file_and_one_that_is_too_long_attach_nothing(cast: Cast, door: Client) -> None:
    proposal = an_order(cast)
    path = f"/proposals/{proposal.public_id}/attach/"
    assert door.post(path, {}).status_code == 422
    large = SimpleUploadedFile("large.txt", b"x" * (ATTACHMENT_SIZE_MAX + 100_000))
    assert door.post(path, {"file": large}).status_code >= 400
    assert not Attachment.objects.exists()


def test_both_are_in_the_evidence(cast: Cast) -> None:
    proposal = an_order(cast)
    said(cast, proposal)
    kept = attached(cast, proposal)
    decided_by(cast.bob, proposal)
    members = evidence.gate_section([proposal.public_id])(proposal.public_id)
    assert members[f"proposal/attachments/{kept.digest.removeprefix('sha256:')}.pdf"] == PDF
    listed = parse_json(members["proposal/attachments.json"])
    assert isinstance(listed, dict)
    assert [item["name"] for item in listed["attachments"]] == ["quote.pdf"]
    comments = parse_json(members["proposal/comments.json"])
    assert isinstance(comments, dict)
    assert [item["text"] for item in comments["comments"]] == ["Is the price per hundred?"]
