"""What people ask of the log: a proposal's history, pages of events, the chain's status, the statement of completeness."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from audit.models import Event
from audit.queries import EventFilter, chain_status, event, events, events_of_proposal, newest_committed_proposal, population
from audit.records import Subject
from tests.builders.audit import about, committed_proposal, database_owner, proposal_id, recorded, recorded_many, seal_all, seal_and_sign

pytestmark = pytest.mark.django_db


def test_the_history_of_a_proposal_is_in_order_and_its_own() -> None:
    proposal = committed_proposal()
    committed_proposal()
    views = events_of_proposal(proposal.id)
    assert [view.kind for view in views] == [
        "proposal:proposed", "gate:routed", "approval:decided", "approval:granted", "commit:started", "commit:succeeded",
    ]  # fmt: skip
    assert views[0].payload["content"] == {"rationale": "stock is low"}
    assert views[2].human["decision"] == "approve"
    assert views[5].outcome["document"] == "PO-2026-000001"
    assert views[0].sequence is None
    seal_all()
    assert [view.sequence for view in events_of_proposal(proposal.id)] == [1, 2, 3, 4, 5, 6]
    assert event(views[2].event_id) == events_of_proposal(proposal.id)[2]
    assert events_of_proposal(proposal_id()) == []


def test_pages_come_newest_first_and_end() -> None:
    rows = recorded_many(7)
    first = events(limit=3)
    second = events(cursor=first.next_cursor, limit=3)
    third = events(cursor=second.next_cursor, limit=3)
    assert (len(first.rows), len(second.rows), len(third.rows), third.next_cursor) == (3, 3, 1, "")
    seen = [view.event_id for page in (first, second, third) for view in page.rows]
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == len(rows)


def test_filters_narrow() -> None:
    proposal = committed_proposal()
    recorded(subject=Subject(kind="agent", id="agent_9", company="OTHER"))
    assert {view.kind for view in events(EventFilter(family="commit")).rows} == {"commit:started", "commit:succeeded"}
    assert len(events(EventFilter(proposal=proposal.id)).rows) == 6
    assert len(events(EventFilter(company="OTHER")).rows) == 1
    assert len(events(EventFilter(actor_kind="human", actor_id="7")).rows) == 2
    assert len(events(EventFilter(kind="log:observed_in_a_test", subject_id="agent_9")).rows) == 1
    newest = Event.objects.latest("recorded_at").recorded_at
    assert events(EventFilter(since=newest + timedelta(seconds=1))).rows == ()
    assert len(events(EventFilter(until=newest + timedelta(seconds=1))).rows) == 7


def test_the_population_says_how_many_and_that_none_is_missing() -> None:
    rows = recorded_many(6)
    seal_all()
    recorded()
    since = rows[0].recorded_at
    until = Event.objects.latest("recorded_at").recorded_at + timedelta(seconds=1)
    found = population(since=since, until=until)
    assert (found.count, found.unsealed, found.first_sequence, found.last_sequence, found.gaps) == (7, 1, 1, 6, 0)
    with database_owner(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_seal WHERE sequence IN (3, 4)")
    assert population(since=since, until=until).gaps == 2
    assert population(since=until, until=until).count == 0


def test_the_status_of_an_empty_log_is_nothing() -> None:
    status = chain_status()
    assert (status.sealed_to, status.unsealed, status.checkpoint_size) == (0, 0, 0)


def test_the_status_says_how_far_the_chain_is() -> None:
    recorded()
    seal_and_sign()
    recorded()
    status = chain_status()
    assert (status.sealed_to, status.unsealed, status.checkpoint_size) == (1, 1, 1)
    assert status.checkpoint_file.endswith("000000000001.note")


def test_the_newest_committed_proposal() -> None:
    assert newest_committed_proposal() == ""
    committed_proposal()
    newest = committed_proposal()
    recorded(subject=about(proposal_id()))
    assert newest_committed_proposal() == newest.id
