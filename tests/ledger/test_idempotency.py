from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import IntegrityError, connections, transaction
from django.test.utils import CaptureQueriesContext

from kernel.clock import now as clock_now
from kernel.ids import new_id
from ledger import queries, services
from ledger.contracts import WriteRequest, WriteStatus
from ledger.models import ClosedKey, IdempotencyRecord
from tests.builders import ledger as build

pytestmark = pytest.mark.django_db(databases=["ledger"])


def test_the_same_request_again_returns_the_stored_result(company: str) -> None:
    request = build.order_request()
    (first,) = build.write(request)
    before = build.footprint()
    (second,) = build.write(request)
    assert (second.status, second.document, second.result) == (WriteStatus.REPLAYED, first.document, first.result)
    assert build.footprint() == before
    found = build.find(request.key)
    assert found is not None
    assert (found.status, found.document, found.result) == (WriteStatus.POSTED, first.document, first.result)
    assert company


@pytest.mark.parametrize(
    "other",
    [
        lambda request: replace(request, tool="post_journal_entry"),
        lambda request: replace(request, company="TS02"),
        lambda request: replace(request, reference=build.reference()),
        lambda request: replace(request, action=build.order(note="x")),
    ],
    ids=["tool", "company", "reference", "action"],
)
def test_the_same_key_for_anything_else_is_a_conflict(company: str, other: Callable[[WriteRequest], WriteRequest]) -> None:
    request = build.order_request()
    build.write(request)
    before = build.footprint()
    (result,) = build.write(other(request))
    assert (result.status, result.code, result.document) == (WriteStatus.CONFLICT, "key_reused", "")
    assert build.footprint() == before
    assert company


def test_a_refused_request_leaves_its_key_free(company: str) -> None:
    request = build.order_request(vendor="V2")
    assert build.write(request)[0].status == WriteStatus.REFUSED
    assert build.find(request.key) is None
    (result,) = build.write(replace(request, action=build.order()))
    assert result.status == WriteStatus.POSTED
    assert company


def test_a_key_twice_in_one_batch_has_one_effect(company: str) -> None:
    request = build.order_request()
    results = build.write(request, build.order_request(), request, replace(request, action=build.order(note="x")))
    assert [result.status for result in results] == ["posted", "posted", "replayed", "conflict"]
    assert results[0].document == results[2].document
    assert build.footprint()["purchaseorder"] == 2
    assert company


def test_a_batch_of_fifty_orders_takes_as_many_statements_as_one_order(company: str) -> None:
    requests = [build.order_request(lines=[("I1", "1", "1.00"), ("I0", "1", "2.00")]) for _ in range(50)]
    with CaptureQueriesContext(connections["ledger"]) as fifty:
        results = build.write(*requests)
    assert all(result.status == WriteStatus.POSTED for result in results)
    with CaptureQueriesContext(connections["ledger"]) as one:
        build.write(build.order_request())
    # Begin, keys, records, closed keys, 6 masters, budgets, budget update, numbers, 5 tables, commit.
    assert len(fifty) == len(one) == 19, "\n".join(query["sql"][:90] for query in fifty.captured_queries)
    assert company


def test_find_many_finds_what_landed(company: str) -> None:
    requests = [build.order_request(), build.order_request(vendor="V2"), build.order_request()]
    build.write(*requests)
    found = queries.find_many([request.key for request in requests] + [new_id()])
    assert {key: result.document for key, result in found.items()} == {
        requests[0].key: "PO-2026-000001",
        requests[2].key: "PO-2026-000002",
    }
    assert company


def test_nothing_lands_under_a_closed_key_until_it_is_opened(company: str) -> None:
    request, before = build.order_request(), build.footprint()
    assert services.close_keys([request.key], now=clock_now()) == {}
    assert services.close_keys([request.key], now=clock_now()) == {}

    (refused,) = build.write(request)
    assert (refused.status, refused.code) == (WriteStatus.REFUSED, "key_closed")
    assert build.footprint() == before

    services.open_keys([request.key])
    (written,) = build.write(request)
    assert written.status is WriteStatus.POSTED
    assert company


def test_what_has_landed_cannot_be_closed(company: str) -> None:
    request = build.order_request()
    (written,) = build.write(request)
    assert {key: result.document for key, result in services.close_keys([request.key], now=clock_now()).items()} == {
        request.key: written.document
    }
    assert not ClosedKey.objects.exists()
    assert company


def test_the_database_knows_that_a_key_is_closed_or_has_landed(company: str) -> None:
    landed, closed = build.order_request(), build.order_request()
    build.write(landed)
    services.close_keys([closed.key], now=clock_now())
    with pytest.raises(IntegrityError, match="cannot be closed"), transaction.atomic(using="ledger"):
        ClosedKey.objects.create(key=landed.key, closed_by="gate", recorded_at=clock_now())
    record = IdempotencyRecord.objects.get()
    with pytest.raises(IntegrityError, match="is closed"), transaction.atomic(using="ledger"):
        IdempotencyRecord.objects.filter(pk=record.pk).create(**{**copied(record), "key": closed.key, "document": "PO-2026-999999"})
    assert company


def copied(record: IdempotencyRecord) -> dict[str, object]:
    """Return the columns of a record."""
    return {field.attname: getattr(record, field.attname) for field in record._meta.concrete_fields}
