"""What the database refuses whoever writes the SQL."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from tests.builders.commits import Gate, run

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE commits_receipt SET document = 'PO-0'",
        "DELETE FROM commits_receipt",
        "DELETE FROM commits_attempt",
        "DELETE FROM commits_commit",
        "TRUNCATE commits_receipt",
        "UPDATE commits_attempt SET number = 7",
        "UPDATE commits_attempt SET outcome = 'lost'",
        "UPDATE commits_attempt SET worker = 'somebody else'",
        "UPDATE commits_commit SET request_bytes = 'other'",
        "UPDATE commits_commit SET request_bytes = NULL",
        "UPDATE commits_commit SET first_sent_at = first_sent_at + interval '1 day'",
        "UPDATE commits_commit SET attempt_number = 0",
        "UPDATE commits_commit SET company = 'US01'",
        "UPDATE commits_commit SET id = gen_random_uuid()",
        "UPDATE commits_commit SET state = 'queued', settled_at = NULL",
        "UPDATE commits_commit SET state = 'done'",
        "UPDATE commits_commit SET landing_number = 2",
        "UPDATE commits_commit SET state = 'queued', settled_at = NULL, landing_number = 3",
        "UPDATE commits_commit SET state = 'failed', landing_number = 2",
        "UPDATE commits_commit SET holder = 1",
    ],
)
def test_history_is_not_rewritten(gate: Gate, statement: str) -> None:
    gate.order()
    run()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(IntegrityError), transaction.atomic():
            cursor.execute(statement)


def test_one_commit_per_proposal(gate: Gate) -> None:
    gate.order()
    run()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO commits_commit (id, proposal_id, connection, company, tool, state, attempt_number, not_before, code, detail,"
            " is_retryable, opened_at) SELECT gen_random_uuid(), proposal_id, connection, company, tool, 'queued', 0, not_before, '',"
            " '', false, opened_at FROM commits_commit"
        )
