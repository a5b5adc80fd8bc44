"""The runtime roles of both databases and what each may do; run after every migration, repeatable."""

from __future__ import annotations

from django.db import connections
from psycopg import sql

import audit.grants
import ledger.grants
from config.databases import LEDGER_READER, LEDGER_WRITER, RUNTIME, SEALER, role_password

# Append-only in PostgreSQL as well as by trigger: the application's role has no right to change these.
INSERT_ONLY = (
    "approvals_attachment",
    "approvals_comment",
    "approvals_decision",
    "approvals_exclusion",
    "approvals_flag",
    "approvals_presentation",
    "approvals_route",
    "approvals_signature",
    "approvals_stepup",
    "commits_receipt",
    "commits_relanding",
    "proposals_citation",
    "proposals_readreceipt",
    "reconciliation_rulehit",
    "reconciliation_sample",
    "reconciliation_sampleitem",
)
# Written by a trigger with the owner's rights.
RIGHTS = dict.fromkeys(INSERT_ONLY, "SELECT, INSERT") | {"proposals_rollingtotal": "SELECT"}


def apply_roles() -> None:
    """Create or refresh the four runtime roles and their rights in both databases."""
    with connections["default"].cursor() as cursor:
        for role in (RUNTIME, SEALER, LEDGER_READER, LEDGER_WRITER):
            _ensure_role(cursor, role)
        _grant_runtime(cursor)
        for statement in audit.grants.grant_statements(RUNTIME, SEALER):
            cursor.execute(statement)
    with connections["ledger"].cursor() as cursor:
        for role in (LEDGER_READER, LEDGER_WRITER):
            _ensure_role(cursor, role)
        for statement in ledger.grants.grant_statements(LEDGER_READER, LEDGER_WRITER):
            cursor.execute(statement)


def _ensure_role(cursor: object, role: str) -> None:
    """Create the role, or give it today's password; raises SystemExit when a role of that name can do more than log in.

    The defaults are said by leaving them out: naming NOSUPERUSER asks for a superuser, which the owner of the URL need not be.
    """
    name, password = sql.Identifier(role), sql.Literal(role_password(role))
    cursor.execute(  # type: ignore[attr-defined]
        "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolbypassrls OR rolreplication FROM pg_roles WHERE rolname = %s", [role]
    )
    found = cursor.fetchone()  # type: ignore[attr-defined]
    if found is not None and found[0]:
        raise SystemExit(f"The database role {role} exists and may do more than log in. Drop it, or take those rights from it.")
    verb = sql.SQL("CREATE" if found is None else "ALTER")
    cursor.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, name, password))  # type: ignore[attr-defined]


def _grant_runtime(cursor: object) -> None:
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")  # type: ignore[attr-defined]
    tables = [row[0] for row in cursor.fetchall()]  # type: ignore[attr-defined]
    runtime = sql.Identifier(RUNTIME)
    for table in tables:
        if table.startswith("audit_") or table == "django_migrations":
            continue
        rights = RIGHTS.get(table, "SELECT, INSERT, UPDATE, DELETE")
        name = sql.Identifier(table)
        cursor.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(name, runtime))  # type: ignore[attr-defined]
        cursor.execute(  # type: ignore[attr-defined]
            sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(rights), name, runtime)
        )
    for statement in ("GRANT USAGE ON SCHEMA public TO {}", "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {}"):
        cursor.execute(sql.SQL(statement).format(runtime))  # type: ignore[attr-defined]
    cursor.execute(sql.SQL("GRANT SELECT ON django_migrations TO {}").format(runtime))  # type: ignore[attr-defined]
