"""Rows of the log are only ever added: the trigger stops everybody, the grants stop the runtime roles before it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from audit.grants import RECORDED, SEALED, grant_statements
from audit.models import Event, Export
from audit.services import record_many
from tests.builders.audit import INSTANT, new_event, recorded, seal_and_sign

pytestmark = pytest.mark.django_db

TABLES = (*RECORDED, *SEALED)


@pytest.fixture(autouse=True)
def _rows() -> None:
    recorded()
    seal_and_sign()
    Export.objects.create(exporter="test", size=1, attempted_at=INSTANT, is_done=True)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else TRUNCATE fails for another reason


@pytest.fixture
def roles() -> Iterator[None]:
    """Create both roles with their grants; all of it rolls back."""
    with connection.cursor() as cursor:
        for role in ("audit_test_runtime", "audit_test_sealer"):
            cursor.execute(f"DROP ROLE IF EXISTS {role}")
            cursor.execute(f"CREATE ROLE {role} NOLOGIN")
        for statement in grant_statements("audit_test_runtime", "audit_test_sealer"):
            cursor.execute(statement)
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET {column} = {column}"])
def test_the_trigger_refuses_changes_even_to_the_owner(table: str, statement: str) -> None:
    column = {"audit_event": "kind", "audit_link": "chain", "audit_eventpayload": "salt", "audit_seal": "entry"}.get(table, "size")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        before = cursor.fetchone()
        assert before != (0,)
        with pytest.raises(IntegrityError, match="only ever added"), transaction.atomic():
            cursor.execute(statement.format(table, column=column))
        cursor.execute(f"SELECT count(*) FROM {table}")
        assert cursor.fetchone() == before


def test_an_update_of_no_row_is_refused_too() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Event.objects.filter(kind="none").update(kind="other")


def _try(role: str, statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {role}")
        cursor.execute(statement)


@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize("role", ["audit_test_runtime", "audit_test_sealer"])
@pytest.mark.parametrize("table", TABLES)
def test_no_role_may_change_anything(role: str, table: str) -> None:
    _try(role, f"SELECT * FROM {table}")
    for statement in (f"DELETE FROM {table}", f"TRUNCATE {table}", f"UPDATE {table} SET {_any_column(table)} = NULL"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            _try(role, statement)


def _any_column(table: str) -> str:
    return {"audit_event": "kind", "audit_link": "chain", "audit_eventpayload": "salt", "audit_seal": "entry"}.get(table, "size")


@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize("role", ["audit_test_runtime", "audit_test_sealer"])
def test_both_roles_record(role: str) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL ROLE {role}")
        record_many([new_event()])
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")
    assert Event.objects.count() == 2


@pytest.mark.usefixtures("roles")
def test_only_the_sealer_seals_and_signs() -> None:
    recorded()
    for table in SEALED:
        with pytest.raises(ProgrammingError, match="permission denied"):
            _try("audit_test_runtime", f"INSERT INTO {table} SELECT * FROM {table}")
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL ROLE audit_test_sealer")
        checkpoint = seal_and_sign()
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")
    assert checkpoint is not None
    assert checkpoint.size == 2


def test_a_role_name_that_is_not_plain_is_refused() -> None:
    with pytest.raises(ValueError, match="not a plain"):
        grant_statements('x"; DROP TABLE audit_event; --', "sealer")
