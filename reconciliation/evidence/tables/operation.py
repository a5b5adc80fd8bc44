"""Tables of operation: commits and their attempts, reconciliation, exceptions, retention, and who looked at what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.bundle_parts import Column, Scope, Table
from audit.selection import SelectedEvent, events_about, selected_events
from commits.models import Attempt, Commit
from kernel.ids import Prefix, decode
from reconciliation.evidence.tables.gate import COMPANY, EVENT, PROPOSAL, SEQUENCE, amount_text
from reconciliation.evidence.tables.pieces import in_pieces, moment, names_of, texts
from reconciliation.models import Break, Run

SUCCEEDED = "commit:succeeded"
LOOKS = ("evidence:%", "proposal:opened", "proposal:attachment_fetched", "reconciliation:exported")
EXCEPTIONS = (
    "%:refused",
    "%:permission_refused",
    "commit:failed",
    "commit:unknown",
    "erp:%",
    "log:alarm_raised",
    "connector:breaker_opened",
)


def _commits(scope: Scope) -> Iterator[Sequence[str]]:
    for piece in in_pieces(selected_events(scope, [SUCCEEDED])):
        keys = [decode(Prefix.PROPOSAL, event.proposal) for event in piece]
        rows = {row.proposal_id: row for row in Commit.objects.filter(proposal_id__in=keys).select_related("proposal")}
        for event, key in zip(piece, keys, strict=True):
            row = rows.get(key)
            differences = event.part("outcome", "differences")
            yield texts(
                event.proposal,
                event.company,
                event.tool,
                row.public_id if row else event.subject_id,
                row.pk if row else "",
                row.connection if row else "",
                event.text("outcome", "document"),
                event.text("outcome", "attempt"),
                row.proposal.amount.decimal_text() if row else "",
                row.proposal.currency if row else "",
                len(differences) if isinstance(differences, list) else differences or 0,
                event.text("outcome", "receipt_digest"),
                event.text("outcome", "read_back_digest"),
                moment(event.occurred_at),
                event.event_id,
                event.sequence,
            )


def _steps(scope: Scope) -> Iterator[Sequence[str]]:
    for event in selected_events(scope, ["commit:%"]):
        yield texts(
            event.proposal,
            event.company,
            event.kind,
            event.text("outcome", "status"),
            event.text("outcome", "code"),
            event.text("outcome", "attempt"),
            event.text("outcome", "document"),
            event.actor_kind,
            moment(event.occurred_at),
            event.event_id,
            event.sequence,
        )


def _attempts(scope: Scope) -> Iterator[Sequence[str]]:
    seen: set[str] = set()
    for piece in in_pieces(selected_events(scope, ["commit:started"])):
        fresh = {decode(Prefix.PROPOSAL, event.proposal): event for event in piece if event.proposal not in seen}
        seen |= {event.proposal for event in fresh.values()}
        rows = Attempt.objects.filter(commit__proposal_id__in=fresh).select_related("commit")
        for row in rows.order_by("commit__proposal_id", "number"):
            event = fresh[row.commit.proposal_id]
            yield texts(
                event.proposal,
                event.company,
                row.commit.public_id,
                row.number,
                row.outcome,
                moment(row.started_at),
                moment(row.finished_at),
            )


def _runs(scope: Scope) -> Iterator[Sequence[str]]:
    rows = Run.objects.filter(started_at__gte=scope.since, started_at__lt=scope.until) if scope.since else Run.objects.none()
    for row in rows.order_by("started_at", "pk").iterator(chunk_size=500):
        if scope.shows_company(row.company):
            for currency in sorted({*row.intended_totals, *row.landed_totals}) or [""]:
                intended, landed = row.intended_totals.get(currency, 0), row.landed_totals.get(currency, 0)
                yield texts(
                    row.public_id,
                    row.company,
                    row.kind,
                    row.business_date.isoformat(),
                    moment(row.cut_off_at),
                    row.state,
                    row.intended_count,
                    row.landed_count,
                    row.matched_count,
                    row.break_count,
                    currency,
                    amount_text(intended, currency) if currency else "",
                    amount_text(landed, currency) if currency else "",
                )


def _breaks(scope: Scope) -> Iterator[Sequence[str]]:
    rows = Break.objects.select_related("proposal", "first_run", "last_run", "compensation").order_by("opened_at", "pk")
    if scope.proposal:
        rows = rows.filter(proposal_id=decode(Prefix.PROPOSAL, scope.proposal))
    else:
        rows = rows.filter(opened_at__gte=scope.since, opened_at__lt=scope.until)
    for row in rows.iterator(chunk_size=500):
        if scope.shows_company(row.company):
            yield texts(
                row.public_id,
                row.company,
                row.kind,
                row.state,
                row.proposal.public_id if row.proposal else "",
                row.document,
                amount_text(row.amount_minor, row.currency),
                row.currency,
                moment(row.opened_at),
                moment(row.closed_at),
                row.explanation,
                row.compensation.public_id if row.compensation else "",
                row.first_run.public_id,
                row.last_run.public_id,
            )


def _exceptions(scope: Scope) -> Iterator[Sequence[str]]:
    for event in selected_events(scope, EXCEPTIONS):
        yield _outcome_row(event)


def _retention(scope: Scope) -> Iterator[Sequence[str]]:
    for event in selected_events(scope, ["hold:%", "retention:%"]):
        yield _outcome_row(event)


def _outcome_row(event: SelectedEvent) -> Sequence[str]:
    return texts(
        moment(event.occurred_at),
        event.kind,
        event.subject_kind,
        event.subject_id,
        event.proposal,
        event.company,
        event.actor_kind,
        event.actor_id,
        event.text("outcome", "status"),
        event.text("outcome", "code"),
        event.event_id,
        event.sequence,
    )


def _looks(scope: Scope) -> Iterator[Sequence[str]]:
    found = events_about(scope, LOOKS, subjects=[scope.proposal]) if scope.proposal else selected_events(scope, LOOKS)
    for piece in in_pieces(found):
        names = names_of(event.actor_id for event in piece if event.actor_kind == "human")
        for event in piece:
            yield texts(
                moment(event.occurred_at),
                event.kind,
                event.actor_kind,
                event.actor_id,
                names.get(event.actor_id, "") if event.actor_kind == "human" else "",
                event.subject_kind,
                event.subject_id,
                event.text("outcome", "sha256"),
                event.event_id,
                event.sequence,
            )


AT = Column("at", "instant, UTC", is_exact=True)
KIND = Column("kind", "what happened", is_exact=True)
OUTCOME = (
    AT,
    KIND,
    Column("subject_kind", "what it was about"),
    Column("subject", "its id", is_exact=True),
    PROPOSAL,
    COMPANY,
    Column("actor_kind", "human, agent or system"),
    Column("actor", "who did it", is_exact=True),
    Column("status", "what came of it"),
    Column("code", "code of the refusal or failure"),
    EVENT,
    SEQUENCE,
)
AMOUNT, CURRENCY = Column("amount", "amount", is_exact=True), Column("currency", "ISO 4217", is_exact=True)

TABLES = (
    Table(
        "erp/commits.csv",
        "What landed in the ERP: one row for each event commit:succeeded.",
        (
            PROPOSAL,
            COMPANY,
            Column("tool", "the ERP operation"),
            Column("commit", "id of the commit", is_exact=True),
            Column("key", "idempotency key that the ERP stored with the result", is_exact=True),
            Column("connection", "which ERP"),
            Column("document", "the ERP's document"),
            Column("attempt", "which attempt succeeded"),
            AMOUNT,
            CURRENCY,
            Column("differences", "fields in which what landed differs from what was approved", is_exact=True),
            Column("receipt_digest", "digest of the ERP's answer", is_exact=True),
            Column("read_back_digest", "digest of what was read back", is_exact=True),
            AT,
            EVENT,
            SEQUENCE,
        ),
        _commits,
        totals=(("amount", "currency"),),
        of_kind=SUCCEEDED,
    ),
    Table(
        "erp/steps.csv",
        "Every step of commits: started, succeeded, failed, unknown, resolved, retried, frozen.",
        (
            PROPOSAL,
            COMPANY,
            KIND,
            Column("status", "what came of it"),
            Column("code", "code of the failure"),
            Column("attempt", "number of the attempt"),
            Column("document", "the ERP's document"),
            Column("actor_kind", "human or system"),
            AT,
            EVENT,
            SEQUENCE,
        ),
        _steps,
    ),
    Table(
        "erp/attempts.csv",
        "Every attempt to send a commit that was started in the period.",
        (
            PROPOSAL,
            COMPANY,
            Column("commit", "id of the commit", is_exact=True),
            Column("number", "from 1", is_exact=True),
            Column("outcome", "what came of it"),
            Column("started_at", "instant, UTC", is_exact=True),
            Column("finished_at", "instant, UTC", is_exact=True),
        ),
        _attempts,
    ),
    Table(
        "erp/reconciliation.csv",
        "Reconciliation runs of the period, one row for each currency.",
        (
            Column("run", "id of the run", is_exact=True),
            COMPANY,
            Column("kind", "nightly or on demand"),
            Column("business_date", "day that was compared", is_exact=True),
            Column("cut_off_at", "what was settled before is compared", is_exact=True),
            Column("state", "completed or aborted"),
            Column("intended", "commits", is_exact=True),
            Column("landed", "documents in the ERP", is_exact=True),
            Column("matched", "both alike", is_exact=True),
            Column("breaks", "differences", is_exact=True),
            CURRENCY,
            Column("intended_amount", "sum of the commits", is_exact=True),
            Column("landed_amount", "sum of the documents", is_exact=True),
        ),
        _runs,
        is_for_proposals=False,
    ),
    Table(
        "erp/breaks.csv",
        "Breaks that reconciliation opened, as they stand today.",
        (
            Column("break", "id", is_exact=True),
            COMPANY,
            Column("kind", "what kind of difference"),
            Column("state", "where the work on it stands"),
            PROPOSAL,
            Column("document", "the ERP's document"),
            Column("amount", "what is at stake", is_exact=True),
            CURRENCY,
            Column("opened_at", "instant, UTC", is_exact=True),
            Column("closed_at", "instant, UTC", is_exact=True),
            Column("explanation", "in the words of who closed it"),
            Column("compensation", "the compensating proposal", is_exact=True),
            Column("first_run", "run that found it", is_exact=True),
            Column("last_run", "run that saw it last", is_exact=True),
        ),
        _breaks,
        totals=(("amount", "currency"),),
    ),
    Table(
        "exceptions.csv",
        "What was refused, failed, left unknown, landed otherwise than approved, or raised an alarm.",
        OUTCOME,
        _exceptions,
    ),
    Table("retention.csv", "Holds, expiries, redactions and their tombstones.", OUTCOME, _retention),
    Table(
        "access_log.csv",
        "Who looked at evidence or took it with them, as far as the checkpoint of this bundle reaches.",
        (
            AT,
            KIND,
            Column("actor_kind", "human, agent or system"),
            Column("actor", "who", is_exact=True),
            Column("name", "the person's name today"),
            Column("subject_kind", "what was looked at"),
            Column("subject", "its id", is_exact=True),
            Column("sha256", "digest of the file that was taken", is_exact=True),
            EVENT,
            SEQUENCE,
        ),
        _looks,
    ),
)
