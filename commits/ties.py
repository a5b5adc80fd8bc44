"""Landings tied to the log and to the ERP: the receipt is the one in the log, and the document still is what was read back then."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from audit.ties import records_by_chain
from audit.verifier.countersign_verify import Findings, record_part
from commits.events import CommitEvent
from commits.models import Commit, Receipt, Relanding
from commits.services.settling import READ_BACK_PURPOSE, RECEIPT_PURPOSE
from commits.states import CommitState
from gateway.connections import connector_for
from gateway.errors import ErpUnavailable
from gateway.port import Json
from kernel.canonical import digest_of_bytes, parse_json

ROWS_PER_FETCH = 200
# What goes on after a document has landed: it is fulfilled, cancelled, reversed. Reconciliation watches over that.
LIVES_ON = frozenset({"state", "reversed_by"})


def check_landings(findings: Findings, detail: list[str]) -> None:
    """Check every landing against its event, and the newest one of each commit against the ERP as it is now."""
    count, unread = 0, set()
    for commits in _batches():
        landings = _landings(commits)
        chains = [commit.proposal.public_id for commit in commits]
        records = records_by_chain(CommitEvent.SUCCEEDED, chains)
        for commit in commits:
            logged = [record_part(record, "outcome") for record in records[commit.proposal.public_id]]
            for landing in landings[commit]:
                count += 1
                _check_logged(findings, commit, landing, logged)
        unread |= _check_erp(findings, commits, landings)
    detail.append(f"{count} landings")
    for company in sorted(unread):
        findings.limitations.append(f"The ERP of {company} did not answer: its documents were not read again.")


Landings = Mapping[Commit, Sequence[Receipt | Relanding]]


def _batches() -> Iterator[list[Commit]]:
    last = None
    while True:
        rows = Commit.objects.filter(state=CommitState.SUCCEEDED).select_related("proposal").order_by("id")
        found = list((rows.filter(id__gt=last) if last else rows)[:ROWS_PER_FETCH])
        if not found:
            return
        yield found
        last = found[-1].pk


def _landings(commits: Sequence[Commit]) -> Landings:
    """Return the landings of each commit, the one that counts last."""
    found: dict[Commit, list[Receipt | Relanding]] = {commit: [] for commit in commits}
    for receipt in Receipt.objects.filter(commit__in=commits).select_related("commit"):
        found[receipt.commit].append(receipt)
    for again in Relanding.objects.filter(commit__in=commits).select_related("commit").order_by("number"):
        found[again.commit].append(again)
    return found


def _check_logged(findings: Findings, commit: Commit, landing: Receipt | Relanding, logged: Sequence[object]) -> None:
    digests = {
        "receipt_digest": digest_of_bytes(RECEIPT_PURPOSE, bytes(landing.answer_bytes)),
        "read_back_digest": digest_of_bytes(READ_BACK_PURPOSE, bytes(landing.read_back_bytes)),
    }
    findings.expect(
        any(all(record_part(outcome, name) == digest for name, digest in digests.items()) for outcome in logged),
        "receipt_forged",
        commit.public_id,
        f"The receipt of {commit.public_id} over {landing.document} is not the one that the log knows.",
    )


def _check_erp(findings: Findings, commits: Sequence[Commit], landings: Landings) -> set[str]:
    """Compare with the ERP; return the companies whose ERP did not answer."""
    by_company: dict[str, list[Commit]] = defaultdict(list)
    for commit in commits:
        if landings[commit]:
            by_company[commit.company].append(commit)
    unread = set()
    for company, part in by_company.items():
        try:
            now = connector_for(company).read_back_many(company, [landings[commit][-1].document for commit in part])
        except ErpUnavailable:
            unread.add(company)
            continue
        for commit in part:
            _compare(findings, commit, landings[commit][-1], now)
    return unread


def _compare(findings: Findings, commit: Commit, landing: Receipt | Relanding, now: Mapping[str, Json]) -> None:
    read_back = parse_json(bytes(landing.read_back_bytes))
    landed = read_back.get("landed") if isinstance(read_back, dict) else None
    found = now.get(landing.document)
    if not isinstance(landed, dict) or not landed:
        return
    if found is None:
        findings.problem(
            "ledger_missing",
            landing.document,
            f"{landing.document} of {commit.public_id} was read back when it landed; the ERP has it no more.",
        )
        return
    changed = sorted(name for name in {*landed, *found} - LIVES_ON if landed.get(name) != found.get(name))
    findings.expect(
        not changed,
        "ledger_edited",
        landing.document,
        f"{landing.document} of {commit.public_id} is not what was read back when it landed: {', '.join(changed)} changed in the ERP.",
    )
