"""A company of any size, written by SQL past every service: documents in the ledger, commits in front of it, and seeded breaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections, transaction

from kernel.ids import Prefix, encode
from reconciliation.states import BreakKind

COMPANY = "DE01"
# So many of each kind, spread over the whole range of references.
SEEDED_EACH = 5
KINDS = tuple(BreakKind)
FIRST_MILLISECOND = 1_763_900_000_000
# What a column gets that must not be empty and is not said otherwise.
EMPTY = {
    "uuid": "gen_random_uuid()",
    "boolean": "false",
    "timestamp with time zone": "key.at",
    "date": "key.at::date",
    "bytea": "'\\x00'::bytea",
    "jsonb": "'[]'::jsonb",
}
NUMBERS = frozenset({"bigint", "integer", "smallint", "numeric"})

LEDGER_KEYS = "CREATE UNLOGGED TABLE bench_key (n integer PRIMARY KEY, proposal uuid, commit uuid, reference text, at timestamptz)"
MASTERS = """
SELECT company.id, vendor.id, centre.id, item.id, account.id, other.id, period.id
FROM ledger_company AS company
JOIN LATERAL (SELECT id FROM ledger_vendor WHERE company_id = company.id ORDER BY number LIMIT 1) AS vendor ON true
JOIN LATERAL (SELECT id FROM ledger_costcentre WHERE company_id = company.id ORDER BY code LIMIT 1) AS centre ON true
JOIN LATERAL (SELECT id FROM ledger_item WHERE company_id = company.id ORDER BY number LIMIT 1) AS item ON true
JOIN LATERAL (SELECT id FROM ledger_account WHERE company_id = company.id ORDER BY number LIMIT 1) AS account ON true
JOIN LATERAL (SELECT id FROM ledger_account WHERE company_id = company.id ORDER BY number DESC LIMIT 1) AS other ON true
JOIN LATERAL (SELECT id FROM ledger_period WHERE company_id = company.id ORDER BY id LIMIT 1) AS period ON true
WHERE company.code = %s
"""


def fill(count: int, *, at: datetime) -> None:
    """Both databases hold `count` commits that landed exactly as intended: six orders, three entries and one release in ten."""
    _keys(count, at=at)
    with past_triggers("ledger") as cursor:
        cursor.execute(MASTERS, [COMPANY])
        names = ("company", "vendor", "centre", "item", "account", "other", "period")
        masters = {
            name: f"'{value}'" if isinstance(value, UUID) else str(value) for name, value in zip(names, cursor.fetchone(), strict=True)
        }
        for table, given, condition in _ledger_rows(masters):
            _insert(cursor, table, given, f"bench_key AS key WHERE {condition}")
        cursor.execute("ANALYZE")
    with connections["ledger"].cursor() as source, past_triggers("default") as cursor:
        cursor.execute(
            "CREATE UNLOGGED TABLE bench_landed (reference text, document text, tool text, total bigint, currency text, effective_on date,"
            " counterparty text, digest text)"
        )
        wanted = (
            "COPY (SELECT reference, document, tool, total_minor, currency, effective_on, counterparty, content_digest"
            " FROM ledger_landed WHERE written_by = 'countersign' AND reference <> '') TO STDOUT"
        )
        with source.copy(wanted) as out, cursor.copy("COPY bench_landed FROM STDIN") as into:
            for block in out:
                into.write(block)
        cursor.execute("CREATE INDEX ON bench_landed (reference)")
        cursor.execute("ANALYZE bench_landed; ANALYZE bench_key")
        source_rows = "bench_key AS key JOIN bench_landed AS landed ON landed.reference = key.reference"
        for table, given in _gate_rows():
            _insert(cursor, table, given, source_rows)
        cursor.execute("ANALYZE")


def seed_breaks(count: int, *, cut_off_at: datetime) -> dict[str, int]:
    """There are SEEDED_EACH breaks of every kind, and nothing else differs; returns how many of each."""
    step = max(count // (10 * (len(KINDS) + 1) * SEEDED_EACH), 1)
    chosen = {kind: [10 * (number * len(KINDS) + position) * step for number in range(SEEDED_EACH)] for position, kind in enumerate(KINDS)}
    # Only entries have accounts.
    chosen[BreakKind.ACCOUNT_DIFFERS] = [number + 6 for number in chosen[BreakKind.ACCOUNT_DIFFERS]]
    for using, statements in (("ledger", LEDGER_BREAKS), ("default", GATE_BREAKS)):
        with past_triggers(using) as cursor:
            for kind, statement in statements:
                cursor.execute(statement, {"chosen": chosen[kind], "cut_off_at": cut_off_at})
    return {kind.value: SEEDED_EACH for kind in KINDS}


@contextmanager
def past_triggers(using: str) -> Iterator[Any]:
    """Give a cursor in a transaction in which no trigger runs and no foreign key is checked."""
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield cursor


def _keys(count: int, *, at: datetime) -> None:
    for using in ("ledger", "default"):
        with connections[using].cursor() as cursor:
            cursor.execute(LEDGER_KEYS)
            with cursor.copy("COPY bench_key FROM STDIN") as copy:
                for n in range(count):
                    low = n * 2_654_435_761 % 2**60
                    proposal = UUID(int=(FIRST_MILLISECOND + n) << 80 | 7 << 76 | 2 << 62 | low)
                    commit = UUID(int=proposal.int | 1 << 61)
                    copy.write_row((n, proposal, commit, encode(Prefix.PROPOSAL, proposal), at))


def _insert(cursor: Any, table: str, given: Mapping[str, str], rows: str) -> None:
    """Insert a row per key, filling every other column that must not be empty with something of its type."""
    cursor.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s AND is_nullable = 'NO'"
        " AND is_identity = 'NO' AND column_default IS NULL",
        [table],
    )
    values = {name: EMPTY.get(kind, "0" if kind in NUMBERS else "''") for name, kind in cursor.fetchall()} | dict(given)
    cursor.execute(f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {rows}")


def _ledger_rows(masters: Mapping[str, str]) -> list[tuple[str, dict[str, str], str]]:
    common = {
        "company_id": masters["company"],
        "reference": "key.reference",
        "written_by": "'countersign'",
        "recorded_at": "key.at",
        "currency": "'EUR'",
        "total_minor": "1000 + key.n % 900000",
    }
    is_order, is_entry, is_release = "key.n % 10 < 6", "key.n % 10 BETWEEN 6 AND 8", "key.n % 10 = 9"
    document = {order: f"'{order}-B' || lpad(key.n::text, 9, '0')" for order in ("PO", "JE", "IM")}
    order = common | {"id": "key.proposal", "number": document["PO"], "state": "'open'", "vendor_id": masters["vendor"]}
    order |= {"cost_centre_id": masters["centre"], "line_count": "1", "entry_id": "key.commit", "order_reference": "'REQ-' || key.n"}
    line = {"order_id": "key.proposal", "line_number": "1", "item_id": masters["item"], "quantity": "1"}
    line |= {"unit_price": "(1000 + key.n % 900000) / 100.0", "amount_minor": "1000 + key.n % 900000"}
    entry = common | {"id": "key.proposal", "number": document["JE"], "kind": "'general'", "period_id": masters["period"]}
    entry |= {"posting_count": "2", "description": "'Entry ' || key.n"}
    debit = {"entry_id": "key.proposal", "line_number": "1", "account_id": masters["account"], "currency": "'EUR'"}
    debit |= {"debit_minor": "1000 + key.n % 900000"}
    credit = {"entry_id": "key.proposal", "line_number": "2", "account_id": masters["other"], "currency": "'EUR'"}
    credit |= {"credit_minor": "1000 + key.n % 900000"}
    release = common | {"id": "key.proposal", "number": document["IM"], "kind": "'release'", "item_id": masters["item"], "quantity": "1"}
    release |= {"location": "'MAIN'", "entry_id": "key.commit", "unit_cost": "1"}
    record = {"key": "key.commit", "company_id": masters["company"], "reference": "key.reference", "written_by": "'countersign'"}
    record |= {
        "request_digest": "'sha256:' || repeat('0', 64)",
        "document": f"CASE WHEN {is_order} THEN {document['PO']} WHEN {is_entry} THEN {document['JE']} ELSE {document['IM']} END",
    }
    return [
        ("ledger_purchaseorder", order, is_order),
        ("ledger_purchaseorderline", line, is_order),
        ("ledger_journalentry", entry, is_entry),
        ("ledger_posting", debit, is_entry),
        ("ledger_posting", credit, is_entry),
        ("ledger_inventorymovement", release, is_release),
        ("ledger_idempotencyrecord", record, "true"),
    ]


def _gate_rows() -> list[tuple[str, dict[str, str]]]:
    proposal = {
        "id": "key.proposal",
        "idempotency_key": "'bench-' || key.n",
        "tool": "landed.tool",
        "company": f"'{COMPANY}'",
        "amount_minor": "landed.total",
        "currency": "landed.currency",
        "effective_on": "landed.effective_on",
        "counterparty": "landed.counterparty",
        "headline": "'Bench ' || key.n",
        "payload_digest": "'sha256:' || repeat('0', 64)",
        "state": "'approved'",
        "revision": "1",
        "created_at": "key.at",
        "decided_at": "key.at",
        "expires_at": "key.at + interval '7 days'",
    }
    commit = {
        "id": "key.commit",
        "proposal_id": "key.proposal",
        "connection": "'embedded'",
        "company": f"'{COMPANY}'",
        "tool": "landed.tool",
        "state": "'succeeded'",
        "attempt_number": "1",
        "opened_at": "key.at",
        "first_sent_at": "key.at",
        "settled_at": "key.at",
    }
    receipt = {
        "commit_id": "key.commit",
        "document": "landed.document",
        "content_digest": "landed.digest",
        "answer_bytes": "convert_to(repeat('a', 300), 'UTF8')",
        "read_back_bytes": "convert_to(repeat('b', 600), 'UTF8')",
        "recorded_at": "key.at",
    }
    return [("proposals_proposal", proposal), ("commits_commit", commit), ("commits_receipt", receipt)]


CHOSEN = "(SELECT reference FROM bench_key WHERE n = ANY(%(chosen)s))"
PROPOSALS = "(SELECT proposal FROM bench_key WHERE n = ANY(%(chosen)s))"
COMMITS = "(SELECT commit FROM bench_key WHERE n = ANY(%(chosen)s))"
READ_BACK = """'[{"field": "/note", "approved": "", "landed": "x"}]'::jsonb"""
# A copy of an order under another number; its reference is given.
COPIED_ORDER = """
INSERT INTO ledger_purchaseorder SELECT (jsonb_populate_record(original, jsonb_build_object(
    'id', gen_random_uuid(), 'entry_id', gen_random_uuid(), 'reference', {reference},
    'number', 'PO-{mark}' || right(original.number, 9)))).*
FROM ledger_purchaseorder AS original WHERE original.reference IN {chosen}
"""
LEDGER_BREAKS = (
    (BreakKind.MISSING, f"DELETE FROM ledger_purchaseorder WHERE reference IN {CHOSEN}"),
    (BreakKind.DUPLICATE, COPIED_ORDER.format(mark="D", reference="original.reference", chosen=CHOSEN)),
    (BreakKind.ORPHAN, COPIED_ORDER.format(mark="O", reference="''", chosen=CHOSEN)),
    (BreakKind.ALTERED, f"UPDATE ledger_purchaseorder SET note = 'altered later' WHERE reference IN {CHOSEN}"),
    (BreakKind.LATE, f"UPDATE ledger_purchaseorder SET recorded_at = %(cut_off_at)s WHERE reference IN {CHOSEN}"),
    (
        BreakKind.REVERSED_OUTSIDE,
        f"""
        INSERT INTO ledger_journalentry SELECT (jsonb_populate_record(template, jsonb_build_object(
            'id', gen_random_uuid(), 'number', 'JE-R' || right(undone.number, 9), 'reference', '', 'written_by', 'staff',
            'reverses_id', undone.entry_id, 'reverses_document', undone.number))).*
        FROM ledger_purchaseorder AS undone, ledger_journalentry AS template
        WHERE undone.reference IN {CHOSEN} AND template.id = (SELECT id FROM ledger_journalentry LIMIT 1)
        """,
    ),
)
GATE_BREAKS = (
    (BreakKind.AMOUNT_DIFFERS, f"UPDATE proposals_proposal SET amount_minor = amount_minor + 1 WHERE id IN {PROPOSALS}"),
    (BreakKind.ACCOUNT_DIFFERS, f"UPDATE proposals_proposal SET counterparty = '9999' WHERE id IN {PROPOSALS}"),
    (BreakKind.COUNTERPARTY_DIFFERS, f"UPDATE proposals_proposal SET counterparty = '9999' WHERE id IN {PROPOSALS}"),
    (BreakKind.DATE_DIFFERS, f"UPDATE proposals_proposal SET effective_on = effective_on + 1 WHERE id IN {PROPOSALS}"),
    (BreakKind.DIFFERS, f"UPDATE commits_receipt SET differences = {READ_BACK} WHERE commit_id IN {COMMITS}"),
    (BreakKind.UNKNOWN_RESOLVED, f"DELETE FROM commits_receipt WHERE commit_id IN {COMMITS}"),
    (BreakKind.UNKNOWN_RESOLVED, f"UPDATE commits_commit SET state = 'unknown', settled_at = NULL WHERE id IN {COMMITS}"),
    (BreakKind.UNSETTLED, f"DELETE FROM commits_receipt WHERE commit_id IN {COMMITS}"),
    (BreakKind.UNSETTLED, f"UPDATE commits_commit SET state = 'failed' WHERE id IN {COMMITS}"),
)
