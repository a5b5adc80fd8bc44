"""Rows for vendors of a class, as the ERP keeps them; where it tells none, rows go by number as before."""

from __future__ import annotations

import pytest

from approvals.matrix.backtest import backtest
from approvals.matrix.checker import check
from approvals.matrix.sheet import parse_sheet, sheet
from approvals.matrix.tester import Trial, try_out
from gateway.connectors.embedded import EmbeddedConnector
from gateway.errors import ErpUnavailable
from kernel.clock import now as clock_now
from kernel.errors import StateConflict
from kernel.money import Money
from ledger.models import Vendor
from proposals.models import Proposal
from tests.builders import ledger
from tests.builders.approvals import Cast, a_row, an_order, make_cast
from tests.builders.commits import Gate
from tests.builders.identity import COMPANY
from tests.builders.proposals import PlainErp

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])
ROWS = (
    a_row(10, title="One-time vendors", vendor_class="one-time, inter*", steps=({"group": "finance", "min_approvals": 1},)),
    a_row(20, title="Other vendors"),
)


@pytest.fixture
def cast(db: None) -> Cast:
    ledger.open_company(COMPANY)
    return make_cast(list(ROWS))


def ordered(cast: Cast) -> Proposal:
    return Gate(cast=cast, otto=cast.olga).order("101.17")


def keep(vendor_class: str) -> None:
    """The ERP keeps V1 in this class."""
    Vendor.objects.filter(number="V1").update(vendor_class=vendor_class)


@pytest.mark.parametrize(("vendor_class", "row"), [("one-time", 10), ("intercompany", 10), ("standard", 20), ("one-time-2", 20), ("", 20)])
def test_the_class_that_the_erp_tells_decides(cast: Cast, vendor_class: str, row: int) -> None:
    keep(vendor_class)
    route = ordered(cast).route
    assert route.row.priority == row
    assert route.snapshot.get("vendor_class", "") == vendor_class
    assert ("vendor class one-time" in route.reason) is (row == 10)


def test_a_matrix_without_classes_asks_for_none(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def told(*arguments: object) -> dict[str, str]:
        asked.append(arguments)
        return {}

    monkeypatch.setattr(EmbeddedConnector, "vendor_classes", told)
    keep("one-time")
    assert ordered(cast).route.row.priority == 20
    assert len(asked) == 1
    # Had the matrix asked for none, nobody would have looked; a row that came meanwhile is not passed over.
    monkeypatch.setattr("approvals.matrix.vendor_classes._is_asked_for", lambda: False)
    with pytest.raises(StateConflict):
        ordered(cast)
    assert len(asked) == 1


def test_an_erp_that_should_tell_and_does_not_answer_lets_nothing_past_the_row(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*arguments: object) -> None:
        raise ErpUnavailable(detail="The ERP gave no answer.")

    monkeypatch.setattr(EmbeddedConnector, "vendor_classes", down)
    with pytest.raises(ErpUnavailable):
        ordered(cast)
    assert not Proposal.objects.exists()


def test_an_erp_that_tells_no_classes_goes_by_number(erp: PlainErp) -> None:
    rows = [*ROWS[:1], a_row(15, title="By number", counterparty="15*", steps=({"group": "finance", "min_approvals": 1},)), ROWS[1]]
    cast = make_cast(rows)
    assert an_order(cast, vendor="1580").route.row.priority == 15
    assert an_order(cast, vendor="1700").route.row.priority == 20


def test_every_tool_of_the_matrix_knows_it(cast: Cast) -> None:
    keep("one-time")
    ordered(cast)
    kept = parse_sheet(sheet(cast.policy.rows.all()).encode())
    assert [row.vendor_class for row in kept] == ["one-time, inter*", ""]
    trial = Trial(tool="create_purchase_order", company=COMPANY, amount=Money(100, "EUR"), vendor_class="one-time")
    found = try_out(cast.policy, trial, clock_now()).match
    assert found is not None
    assert found.row.priority == 10
    only_classes = [row for row in cast.policy.rows.all() if row.vendor_class]
    gaps = check(only_classes, {COMPANY: "EUR"}).findings
    assert [item.text for item in gaps if "vendor class" not in item.text], "vendors of no class are a gap"
    assert not [item.text for item in gaps if "vendor class one-time" in item.text]
    # Tried on what happened, the class of the submission counts.
    assert backtest(cast.policy, [COMPANY], clock_now()).differing == ()
