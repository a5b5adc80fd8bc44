"""Drafts of the matrix: edited by some, activated by another; imported and exported without loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from approvals.errors import OwnPolicy
from approvals.matrix import editing
from approvals.matrix.sheet import parse_sheet, sheet
from approvals.models import Policy, PolicyRow
from approvals.services import activate_policy, submit_policy
from approvals.services.matrix import RowDraft
from audit.models import Event
from identity.models import Role
from kernel.clock import now as clock_now
from kernel.errors import DomainError, PermissionRefused, StateConflict, ValidationFailed
from tests.builders.approvals import Cast, a_row, an_order, decided_by
from tests.builders.identity import actor, make_user

pytestmark = pytest.mark.django_db

EVERYTHING = a_row(
    30,
    title='=Everything, "quoted"; at once',
    account="63*, 6400",
    counterparty="1580",
    cost_centre="41*",
    company="DE01",
    flags_required=("J1", "J11"),
    flags_forbidden=("J2",),
    from_minor=1,
    up_to_minor=9_999_99,
    rolling_days=30,
    rolling_by="cost_centre",
    bulk_up_to_minor=500_00,
    step_up_from_minor=5_000_00,
    steps=(
        {"group": "purchasing", "min_approvals": 1},
        {"group": "purchasing", "further_groups": ["finance"], "min_approvals": 2, "rule": "per_group", "is_distinct": False},
        {"group": "finance", "min_approvals": 1, "rule": "any", "due_days": 3, "fallback": "purchasing"},
    ),
)


def by(user: Any) -> dict[str, Any]:
    return {"user": user, "actor": actor(user), "now": clock_now()}


@pytest.fixture
def draft(cast: Cast) -> Policy:
    """Return a copy of the active version, begun by Cem."""
    return editing.start_draft(title="Next", copy_of=cast.policy, **by(cast.cem))


def saved(policy: Policy, row: RowDraft, user: Any, stored: PolicyRow | None = None, seen: str = "") -> Policy:
    seen = seen or (editing.row_digest(stored) if stored else "")
    return editing.save_row(policy_id=policy.pk, row_id=stored.pk if stored else None, draft=row, seen=seen, **by(user))


def test_a_copy_keeps_its_rows_and_their_writers(cast: Cast, draft: Policy) -> None:
    assert (draft.version, draft.author) == (2, cast.cem)
    assert [(row.priority, row.author) for row in draft.rows.all()] == [(10, cast.cora), (20, cast.cora)]
    assert Event.objects.filter(kind="policy:created").count() == 2


def test_whoever_changed_a_draft_does_not_activate_it(cast: Cast, draft: Policy) -> None:
    saved(draft, a_row(30), cast.cora)
    submit_policy(policy_id=draft.pk, **by(cast.cem))
    for author in (cast.cem, cast.cora):
        with pytest.raises(OwnPolicy, match="You wrote policy v2"):
            activate_policy(policy_id=draft.pk, **by(author))
    assert Policy.objects.get(pk=draft.pk).state == "review"


def test_nor_by_sql(cast: Cast, draft: Policy) -> None:
    saved(draft, a_row(30), cast.cora)
    submit_policy(policy_id=draft.pk, **by(cast.cem))
    Policy.objects.filter(pk=cast.policy.pk).update(state="retired", retired_at=clock_now())
    with pytest.raises(IntegrityError, match="does not activate it"), transaction.atomic():
        Policy.objects.filter(pk=draft.pk).update(state="active", activated_by=cast.cora, activated_at=clock_now())
    with pytest.raises(IntegrityError), transaction.atomic():
        draft.editors.all()._raw_delete("default")


def test_the_writers_of_version_and_row_do_not_decide(cast: Cast, draft: Policy) -> None:
    """Cora wrote the rows, Cem copied them into his version: both are excluded from what it routes."""
    carl = make_user("carl", [Role.CONTROLLER])
    submit_policy(policy_id=draft.pk, **by(cast.cem))
    activate_policy(policy_id=draft.pk, **by(carl))
    found = an_order(cast).route.exclusions.filter(reason="policy_author").values_list("user__username", flat=True)
    assert set(found) == {"cem", "cora"}


def test_a_row_is_added_changed_moved_and_removed(cast: Cast, draft: Policy) -> None:
    saved(draft, EVERYTHING, cast.cem)
    stored = draft.rows.get(priority=30)
    assert editing.draft_of(stored) == EVERYTHING
    saved(draft, replace(EVERYTHING, title="Renamed"), cast.cora, stored)
    stored = draft.rows.get(priority=30)
    assert (stored.title, stored.author) == ("Renamed", cast.cora)
    editing.move_row(policy_id=draft.pk, row_id=stored.pk, is_up=True, **by(cast.cem))
    assert [row.title for row in draft.rows.all()] == ["Small orders", "Renamed", "Larger orders"]
    editing.renumber(policy_id=draft.pk, **by(cast.cem))
    assert list(draft.rows.values_list("priority", flat=True)) == [10, 20, 30]
    stored.refresh_from_db()
    editing.remove_row(policy_id=draft.pk, row_id=stored.pk, seen=editing.row_digest(stored), **by(cast.cem))
    assert [row.title for row in draft.rows.all()] == ["Small orders", "Larger orders"]
    assert Event.objects.filter(kind="policy:edited").count() == 5


def test_a_row_that_somebody_else_changed_is_not_overwritten(cast: Cast, draft: Policy) -> None:
    stored = draft.rows.get(priority=10)
    seen = editing.row_digest(stored)
    saved(draft, a_row(10, title="Cora's"), cast.cora, stored)
    fresh = draft.rows.get(priority=10)
    acts: list[Callable[[], object]] = [
        lambda: saved(draft, a_row(10, title="Mine"), cast.cem, stored, seen),
        lambda: saved(draft, a_row(10, title="Mine"), cast.cem, fresh, seen),
        lambda: editing.remove_row(policy_id=draft.pk, row_id=fresh.pk, seen=seen, **by(cast.cem)),
    ]
    for act in acts:
        with pytest.raises(StateConflict):
            act()
    assert draft.rows.get(priority=10).title == "Cora's"


def test_only_a_draft_is_changed_and_only_by_controllers(cast: Cast, draft: Policy) -> None:
    with pytest.raises(PermissionRefused):
        saved(draft, a_row(30), cast.alice)
    stored = cast.policy.rows.get(priority=10)
    acts: list[Callable[[], object]] = [
        lambda: saved(cast.policy, a_row(30), cast.cem),
        lambda: saved(cast.policy, a_row(10), cast.cem, stored),
        lambda: editing.remove_row(policy_id=cast.policy.pk, row_id=stored.pk, seen=editing.row_digest(stored), **by(cast.cem)),
        lambda: editing.renumber(policy_id=cast.policy.pk, **by(cast.cem)),
        lambda: editing.rename(policy_id=cast.policy.pk, title="Other", **by(cast.cem)),
        lambda: editing.replace_rows(policy_id=cast.policy.pk, rows=[a_row(1)], **by(cast.cem)),
    ]
    for act in acts:
        before = Event.objects.filter(kind="policy:refused").count()
        with pytest.raises(StateConflict, match="only a draft can be changed"):
            act()
        assert Event.objects.filter(kind="policy:refused").count() == before + 1
    assert not draft.rows.filter(priority=30).exists()


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"priority": 20}, "/priority"),
        ({"account": "63**"}, "/account"),
        ({"flags_required": ("J14",)}, "/flags_required"),
        ({"flags_required": ("J1",), "flags_forbidden": ("J1",)}, "/flags_forbidden"),
        ({"rolling_by": "weather"}, "/rolling_by"),
        ({"bulk_up_to_minor": -1}, "/bulk_up_to_minor"),
        ({"steps": ({"group": "purchasing", "min_approvals": 1, "rule": "per_group"},)}, "/steps/0/further_groups"),
        ({"steps": ({"group": "purchasing", "min_approvals": 2, "rule": "any"},)}, "/steps/0/min_approvals"),
        ({"steps": ({"group": "purchasing", "min_approvals": 1, "rule": "most"},)}, "/steps/0/rule"),
        ({"steps": ({"group": "purchasing", "min_approvals": 1, "fallback": "purchasing"},)}, "/steps/0/fallback"),
        ({"steps": ({"group": "purchasing", "min_approvals": 1, "due_days": 0},)}, "/steps/0/due_days"),
        ({"is_automatic": True, "steps": (), "up_to_minor": 5, "step_up_from_minor": 1}, "/step_up_from_minor"),
        ({"company": "DE 01"}, "/company"),
    ],
)
def test_a_row_that_could_not_stand_is_refused_with_its_field(cast: Cast, draft: Policy, changes: dict[str, Any], path: str) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        saved(draft, a_row(changes.pop("priority", 40), **changes), cast.cem)
    assert path in [item.path for item in refusal.value.errors]
    assert draft.rows.count() == 2


class TestSheet:
    """The matrix as a CSV file."""

    def test_what_is_exported_is_imported_as_it_was(self, cast: Cast, draft: Policy) -> None:
        saved(draft, EVERYTHING, cast.cem)
        text = sheet(draft.rows.all())
        assert "'=Everything" in text
        rows = parse_sheet(text.encode("utf-8-sig"))
        assert rows == [editing.draft_of(row) for row in draft.rows.all()]
        editing.replace_rows(policy_id=draft.pk, rows=rows, **by(cast.cora))
        # What stayed as it was is still its writer's.
        assert [(row.priority, row.author) for row in draft.rows.all()] == [(10, cast.cora), (20, cast.cora), (30, cast.cem)]

    def test_a_spreadsheet_with_semicolons_is_read(self, cast: Cast) -> None:
        content = "priority;title;tool;currency;steps\r\n10;One;create_purchase_order;EUR;purchasing:1\r\n;;;;\r\n"
        (row,) = parse_sheet(content.encode())
        assert (row.title, row.steps) == ("One", ({"group": "purchasing", "min_approvals": 1},))

    @pytest.mark.parametrize(
        ("line", "mistake"),
        [
            ("x,One,create_purchase_order,EUR,,purchasing:1", "row 2, column priority: 'x' is not a whole number"),
            ("10,One,create_purchase_order,EURO,,purchasing:1", "row 2, column currency: 'EURO' is not a currency"),
            ("10,One,create_purchase_order,EUR,12.345,purchasing:1", "row 2, column up_to: 12.345 has more decimal places than EUR allows"),
            ('10,One,create_purchase_order,EUR,"1,2",purchasing:1', "row 2, column up_to: '1,2' is not a plain decimal"),
            ("10,One,make_tea,EUR,,purchasing:1", "row 2, column tool: 'make_tea' is not a write of the catalogue"),
            ("10,One,create_purchase_order,EUR,,purchasing:1; nobody:1", "row 2, column steps, step 2: there is no group 'nobody'"),
            ("10,One,create_purchase_order,EUR,,purchasing:x", "row 2, column steps: 'x' is not a number of approvals"),
            ("10,One,create_purchase_order,EUR,,", "row 2, column steps: the row asks nobody"),
            ("10,,create_purchase_order,EUR,,purchasing:1", "row 2, column title: empty or too long"),
            ("10,One,create_purchase_order,EUR,,purchasing:1,more", "row 2, column steps: there are more cells than columns"),
        ],
    )
    def test_each_mistake_names_row_and_column(self, cast: Cast, line: str, mistake: str) -> None:
        content = f"priority,title,tool,currency,up_to,steps\n{line}\n"
        with pytest.raises(ValidationFailed) as refusal:
            parse_sheet(content.encode())
        assert mistake in [f"{item.path}: {item.message}" for item in refusal.value.errors]

    def test_all_mistakes_of_all_rows_are_named(self, cast: Cast) -> None:
        content = "priority,title,tool,currency,steps\n10,A,no_tool,EUR,purchasing:1\n\n10,B,create_purchase_order,EUR,nobody:1\n"
        with pytest.raises(ValidationFailed) as refusal:
            parse_sheet(content.encode())
        assert [item.path for item in refusal.value.errors] == [
            "row 2, column priority", "row 2, column tool", "row 3, column priority", "row 3, column steps, step 1",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "content", [b"", b"\xff\xfe", b"priority,title\n", b"priority,title,tool,currency,steps\n", b"a\x00b", b"x" * 1_000_001]
    )
    def test_what_is_no_matrix_is_refused(self, cast: Cast, content: bytes) -> None:
        with pytest.raises(ValidationFailed):
            parse_sheet(content)

    def test_a_refused_import_changes_nothing(self, cast: Cast, draft: Policy) -> None:
        with pytest.raises(DomainError):
            editing.replace_rows(policy_id=draft.pk, rows=[a_row(10), a_row(20, tool="make_tea")], **by(cast.cem))
        assert [row.title for row in draft.rows.all()] == ["Small orders", "Larger orders"]


def test_the_route_of_a_new_version_is_by_its_rows(cast: Cast, draft: Policy) -> None:
    pending = an_order(cast)
    saved(draft, a_row(5, steps=({"group": "finance", "min_approvals": 1},)), cast.cem)
    submit_policy(policy_id=draft.pk, **by(cast.cem))
    activate_policy(policy_id=draft.pk, **by(cast.cora))
    assert an_order(cast).route.steps.get().group == cast.finance
    # What was pending keeps its route.
    decided_by(cast.alice, pending)
    pending.refresh_from_db()
    assert pending.state == "approved"
