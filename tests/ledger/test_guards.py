"""What the database itself refuses, whoever asks: raw SQL as the owner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, transaction

from kernel.ids import new_id
from ledger import queries
from ledger.grants import grant_statements
from ledger.models import Account, Company, Period
from ledger.sql import execute, fetch
from tests.builders import ledger as build

pytestmark = pytest.mark.django_db(databases=["ledger"])

READER, WRITER = "countersign_test_reader", "countersign_test_writer"


@contextmanager
def refused(match: str, error: type[Exception] = IntegrityError) -> Iterator[None]:
    with pytest.raises(error, match=match), transaction.atomic(using="ledger"):  # noqa: PT012  deferred checks fire at the end
        yield
        execute("SET CONSTRAINTS ALL IMMEDIATE")


def insert_entry(company: str, *, month: int = 11, total: int = 100, count: int = 2, effective_on: str = build.OPEN_DAY) -> Any:
    key = new_id()
    execute(
        "INSERT INTO ledger_journalentry (id, company_id, number, kind, document, period_id, effective_on, currency, total_minor,"
        " posting_count, description, reverses_document, reference, written_by, recorded_at)"
        " VALUES (%s, %s, %s, 'general', '', %s, %s, 'EUR', %s, %s, '', '', '', 'raw', now())",
        [
            key,
            Company.objects.get(code=company).pk,
            f"JE-RAW-{key.hex[-6:]}",
            Period.objects.get(company__code=company, year=2026, month=month).pk,
            effective_on,
            total,
            count,
        ],
    )
    return key


def insert_posting(entry: Any, line: int, account: str, debit: int, credit: int, *, company: str = "TS01", currency: str = "EUR") -> None:
    execute(
        "INSERT INTO ledger_posting (entry_id, line_number, account_id, debit_minor, credit_minor, currency, text)"
        " VALUES (%s, %s, %s, %s, %s, %s, '')",
        [entry, line, Account.objects.get(company__code=company, number=account).pk, debit, credit, currency],
    )


def test_a_balanced_raw_entry_is_taken(company: str) -> None:
    with transaction.atomic(using="ledger"):
        entry = insert_entry(company)
        insert_posting(entry, 1, "6200", 100, 0)
        insert_posting(entry, 2, "2000", 0, 100)
        execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert build.footprint()["posting"] == 2


def test_an_unbalanced_entry_is_refused_at_commit(company: str) -> None:
    with refused("not balanced"):
        entry = insert_entry(company)
        insert_posting(entry, 1, "6200", 100, 0)
        insert_posting(entry, 2, "2000", 0, 99)
    assert build.footprint()["journalentry"] == 0


def test_each_currency_balances_by_itself(company: str) -> None:
    with refused("not balanced"):
        entry = insert_entry(company)
        insert_posting(entry, 1, "6200", 100, 0)
        insert_posting(entry, 2, "2000", 0, 100, currency="USD")
    assert build.footprint()["journalentry"] == 0


@pytest.mark.parametrize("lines", [0, 1])
def test_an_entry_needs_the_postings_it_declares(company: str, lines: int) -> None:
    with refused(f"has {lines} of the 2 postings"):
        entry = insert_entry(company)
        for line in range(lines):
            insert_posting(entry, line + 1, "6200", 100, 0)
    with refused("ledger_entry_has_two_postings"):
        insert_entry(company, count=1)


def test_a_finished_entry_cannot_be_extended(company: str) -> None:
    build.write_one("post_journal_entry", build.entry())
    ((entry,),) = fetch("SELECT id FROM ledger_journalentry")
    with refused("one of those its entry declared"):
        insert_posting(entry, 3, "6200", 100, 0)
    with refused("ledger_posting_number_once"):
        insert_posting(entry, 2, "6200", 100, 0)
    assert company


def test_a_posting_stays_in_its_company(company: str) -> None:
    other = build.open_company("TS02")
    with refused("same company"):
        entry = insert_entry(company)
        insert_posting(entry, 1, "6200", 100, 0, company=other)
    with refused("ledger_posting_debit_or_credit"):
        insert_posting(insert_entry(company), 1, "6200", 100, 100)


@pytest.mark.parametrize(
    ("month", "effective_on"), [(9, build.CLOSED_DAY), (11, "2026-10-31"), (10, build.OPEN_DAY)], ids=["closed", "before", "after"]
)
def test_an_entry_is_dated_into_an_open_period(company: str, month: int, effective_on: str) -> None:
    with refused("open period of its company"):
        insert_entry(company, month=month, effective_on=effective_on)
    assert build.footprint()["journalentry"] == 0


@pytest.mark.parametrize(
    "table", ["journalentry", "posting", "purchaseorderline", "inventorymovement", "customerchange", "idempotencyrecord"]
)
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_what_is_written_stays(company: str, table: str, statement: str) -> None:
    build.write(build.order_request(), build.request("release_inventory", build.release()))
    before = build.footprint()
    column = "key = key" if table == "idempotencyrecord" else "id = id"
    # Pending deferred checks would stop a TRUNCATE before the trigger does.
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    with refused("insert-only"):
        execute(statement.replace("id = id", column).format(f"ledger_{table}"))
    assert build.footprint() == before
    assert company


def test_an_order_changes_from_open_to_cancelled_and_no_other_way(company: str) -> None:
    build.write(build.order_request())
    for change in ("total_minor = total_minor + 1", "note = 'x', state = 'cancelled'", "state = 'open'"):
        with refused("only from open to cancelled"):
            execute(f"UPDATE ledger_purchaseorder SET {change}")
    with refused("insert-only"):
        execute("DELETE FROM ledger_purchaseorder")
    assert execute("UPDATE ledger_purchaseorder SET state = 'cancelled'") == 1
    with refused("only from open to cancelled"):
        execute("UPDATE ledger_purchaseorder SET state = 'open'")
    assert company


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE ledger_budget SET consumed_minor = amount_minor + 1", "ledger_budget_not_overspent"),
        ("UPDATE ledger_stock SET quantity = -1", "ledger_stock_not_negative"),
        ("UPDATE ledger_period SET state = 'ajar'", "ledger_period_state_is_known"),
        ("UPDATE ledger_period SET ends_on = ends_on + 1", "ledger_period_ends_with_month"),
        ("UPDATE ledger_period SET starts_on = starts_on + 1", "ledger_period_starts_with_month"),
        ("UPDATE ledger_account SET role = 'cash'", "ledger_account_role_once"),
        ("UPDATE ledger_company SET currency = 'eur'", "ledger_company_currency_is_iso"),
    ],
)
def test_masters_keep_their_rules(company: str, statement: str, constraint: str) -> None:
    with refused(constraint):
        execute(statement)
    assert company


@contextmanager
def acting_as(role: str) -> Iterator[None]:
    """Act as the role; after a failure the rollback to the savepoint takes the role back as well."""
    execute(f"SET ROLE {role}")
    yield
    execute("RESET ROLE")


@pytest.fixture
def roles(company: str) -> None:
    """Both runtime roles with their rights; roles belong to the cluster, but creating them rolls back with the test."""
    for role in (READER, WRITER):
        execute(f"CREATE ROLE {role}")
    for _ in range(2):
        for statement in grant_statements(READER, WRITER):
            execute(statement)


def test_the_writer_can_do_all_four_writes_and_their_reversal(company: str, roles: None) -> None:
    with acting_as(WRITER):
        results = build.write(
            build.order_request(),
            build.request("post_journal_entry", build.entry()),
            build.request("release_inventory", build.release()),
            build.request("update_customer", build.customer_update()),
        )
        reversal = build.write_one("post_journal_entry", build.reversal("PO-2026-000001"))
        execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert [result.code for result in results] == ["", "", "", ""]
    assert reversal.document == "JE-2026-000004"


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM ledger_budget",
        "TRUNCATE ledger_budget",
        "UPDATE ledger_budget SET amount_minor = 1",
        "UPDATE ledger_period SET state = 'open'",
        "INSERT INTO ledger_period SELECT * FROM ledger_period",
        "INSERT INTO ledger_vendor SELECT * FROM ledger_vendor",
        "UPDATE ledger_vendor SET bank_fingerprint = 'mine'",
        "UPDATE ledger_purchaseorder SET total_minor = 1",
        "UPDATE ledger_journalentry SET description = 'x'",
        "ALTER TABLE ledger_journalentry DISABLE TRIGGER ALL",
        "CREATE TABLE mine (id int)",
    ],
)
def test_the_writer_may_no_more_than_that(roles: None, statement: str) -> None:
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"), transaction.atomic(using="ledger"), acting_as(WRITER):
        execute(statement)


def test_the_reader_reads_and_writes_nothing(company: str, roles: None) -> None:
    build.write(build.order_request())
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    with acting_as(READER):
        assert queries.get_trial_balance(company=company)["is_balanced"] is True
        assert len(list(queries.extract(company=company))) == 1
    for statement in (
        "UPDATE ledger_budget SET consumed_minor = 0",
        "INSERT INTO ledger_journalentry DEFAULT VALUES",
        "DELETE FROM ledger_stock",
    ):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic(using="ledger"), acting_as(READER):
            execute(statement)


def test_role_names_are_plain() -> None:
    with pytest.raises(ValueError, match="plain role name"):
        grant_statements("reader; DROP TABLE x", "writer")
