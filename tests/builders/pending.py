"""Many proposals that wait, by bulk SQL from one that was made the usual way: copies with route, steps and exclusions."""

from __future__ import annotations

import uuid

from django.db import connection

from approvals.models import Exclusion, Route, RouteStep
from proposals.models import Citation, Proposal

KEY = "(lpad(to_hex(1795000000000 + copy.number), 12, '0') || '7000' || '8' || substr(md5(copy.number::text), 1, 15))::uuid"
COPIES = "generate_series(1, %(many)s) AS copy (number)"
OWN = {
    "id": KEY,
    "idempotency_key": "'copy-' || copy.number",
    "reference": "'COPY-' || copy.number",
    "headline": "'Copy ' || copy.number || ': ' || template.headline",
}


def pending_copies(template: Proposal, many: int, *, overdue: int = 0) -> list[uuid.UUID]:
    """Return the keys of so many pending proposals like this one, oldest first; the steps of the first `overdue` were due yesterday.

    Their bytes are the template's: they are for lists, filters and counts, not for being decided on.
    """
    values: dict[str, int | uuid.UUID] = {"many": many, "overdue": overdue, "template": template.pk}
    step = {
        "route_id": KEY,
        "due_at": "CASE WHEN copy.number <= %(overdue)s THEN now() - interval '1 day' ELSE template.due_at END",
    }
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for model, own, by in (
            (Proposal, OWN, "id"),
            (Route, {"proposal_id": KEY}, "proposal_id"),
            (RouteStep, step, "route_id"),
            (Exclusion, {"route_id": KEY}, "route_id"),
            (Citation, {"proposal_id": KEY}, "proposal_id"),
        ):
            columns = [str(field.column) for field in model._meta.concrete_fields if field.column != "id" or "id" in own]
            named = ", ".join(columns)
            taken = ", ".join(own.get(column, f"template.{column}") for column in columns)
            table = model._meta.db_table
            cursor.execute(
                f"INSERT INTO {table} ({named}) SELECT {taken} FROM {table} AS template, {COPIES} WHERE template.{by} = %(template)s",
                values,
            )
        cursor.execute("SET session_replication_role = origin")
        cursor.execute(f"SELECT {KEY} FROM {COPIES} ORDER BY copy.number", values)
        return [key for (key,) in cursor.fetchall()]
