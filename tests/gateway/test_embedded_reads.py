"""Each read tool and each fact over the sample company's books."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.test.utils import CaptureQueriesContext

from gateway import facts
from gateway.catalogue import get_tool, get_write_tool, read_tools
from gateway.connections import all_connectors, connector_for, use_connector
from gateway.connectors.embedded import EmbeddedConnector
from gateway.errors import ErpUnavailable, PeriodClosed, UnknownCompany
from gateway.port import Connector, Fact, Level
from gateway.preconditions import check_all
from kernel.canonical import canonical_bytes
from kernel.errors import NotVisible
from kernel.money import Money
from ledger import queries
from ledger.services import close_period, set_vendor_bank_fingerprint, set_vendor_status
from ledger.states import VendorStatus
from tests.builders.gateway import COMPANY, PAYLOADS, StubConnector, order_payload

pytestmark = pytest.mark.django_db(databases=["ledger"])

ARGUMENTS: dict[str, dict[str, Any]] = {
    "check_budget": {"cost_centre": "4010", "year": 2026},
    "find_similar_entries": {"amount": "9640.00", "around": "2026-09-01"},
    "get_account_balance": {"account": "1200", "until": "2026-06-30"},
    "get_customer": {"customer": "10003"},
    "get_period_status": {"on": "2026-09-30"},
    "get_purchase_order": {"document": "PO-2026-000001"},
    "get_stock": {"item": "P-1003"},
    "get_trial_balance": {},
    "get_vendor": {"vendor": "70008"},
    "list_purchase_orders": {"vendor": "70001"},
    "search_vendors": {"text": "gmbh", "limit": 2},
}


def read(connector: Connector, name: str, company: str = COMPANY, **arguments: Any) -> dict[str, Any]:
    tool = get_tool(name)
    return dict(connector.read(name, company, tool.canonical(tool.validate(arguments))))


def test_every_read_tool_is_tried() -> None:
    assert set(ARGUMENTS) == {tool.name for tool in read_tools()}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_read_returns_what_its_schema_promises(connector: EmbeddedConnector, name: str) -> None:
    result = read(connector, name, **ARGUMENTS[name])
    get_tool(name).output_model.model_validate(result)
    canonical_bytes(result)


def test_what_the_reads_say(connector: EmbeddedConnector) -> None:
    budget = read(connector, "check_budget", cost_centre="4010", year=2026)
    assert (budget["amount"], budget["currency"]) == ("480000.00", "EUR")
    parts = [Money.parse(str(budget[name]), "EUR") for name in ("consumed", "remaining")]
    assert parts[0] + parts[1] == Money(48_000_000, "EUR")
    assert read(connector, "get_period_status", on="2026-09-30")["status"] == "closed"
    assert read(connector, "get_period_status", on="2026-10-01")["status"] == "open"
    assert read(connector, "get_period_status", on="2031-10-01")["status"] == "missing"
    assert read(connector, "get_vendor", vendor="70008")["status"] == "blocked"
    assert read(connector, "get_trial_balance")["is_balanced"] is True
    stock = read(connector, "get_stock", item="P-1003", location="MAIN")
    assert stock["locations"] == [{"location": "MAIN", "quantity": "331", "version": 1}]
    order = read(connector, "get_purchase_order", document="PO-2026-000001")
    assert (order["vendor"], order["total"]) == ("70001", "9640.00")
    assert "written_by" not in order
    (similar,) = read(connector, "find_similar_entries", amount="9640.00", around="2026-09-01")["entries"]
    assert (similar["document"], similar["counterparty"]) == ("PO-2026-000001", "70001")


def test_a_list_is_continued(connector: EmbeddedConnector) -> None:
    first = read(connector, "search_vendors", text="gmbh", limit=2)
    assert len(first["vendors"]) == 2
    second = read(connector, "search_vendors", text="gmbh", limit=2, after=first["next_after"])
    assert not {row["vendor"] for row in first["vendors"]} & {row["vendor"] for row in second["vendors"]}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("check_budget", {"cost_centre": "4010", "year": 1999}),
        ("get_account_balance", {"account": "777"}),
        ("get_customer", {"customer": "99"}),
        ("get_purchase_order", {"document": "PO-2026-999999"}),
        ("get_stock", {"item": "X"}),
        ("get_vendor", {"vendor": "71001"}),
    ],
)
def test_what_is_not_in_the_company_is_not_visible(connector: EmbeddedConnector, name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(NotVisible):
        read(connector, name, **arguments)
    with pytest.raises(NotVisible):
        read(connector, name, company="XX99", **arguments)


def test_every_fact_is_answered(connector: EmbeddedConnector) -> None:
    on = date(2026, 11, 23)
    asked = {
        "EUR": facts.company_currency(COMPANY),
        "open": facts.period_status(COMPANY, on),
        "closed": facts.period_status(COMPANY, date(2026, 9, 1)),
        "Rheinland Stahlhandel GmbH": facts.vendor(COMPANY, "70001", "name"),
        "blocked": facts.vendor(COMPANY, "70008", "status"),
        "Radhaus Kiel": facts.customer(COMPANY, "10003", "name"),
        "25000.00": facts.customer(COMPANY, "10003", "credit_limit"),
        "14": facts.customer(COMPANY, "10003", "payment_terms_days"),
        "1": facts.customer(COMPANY, "10003", "version"),
        "Software and licences": facts.account(COMPANY, "6300", "name"),
        "expense": facts.account(COMPANY, "6300", "kind"),
        "inactive": facts.account(COMPANY, "6900", "status"),
        "Hub, rear": facts.item(COMPANY, "P-1003", "name"),
        "31.08": facts.item(COMPANY, "P-1003", "standard_cost"),
        "Production": facts.cost_centre_name(COMPANY, "4010"),
        "480000.00": facts.budget(COMPANY, "4010", 2026, "amount"),
        "331": facts.stock_quantity(COMPANY, "P-1003", "MAIN"),
        "posted": facts.document_status(COMPANY, "PO-2026-000001"),
        "0": facts.order_count(COMPANY, "70001", "never ordered", Money(100, "EUR")),
        "none": facts.vendor("AT01", "71001", "bank_fingerprint"),
    }
    assert connector.observe(list(asked.values())) == list(asked)
    (today,) = connector.observe([facts.business_date(COMPANY)])
    date.fromisoformat(today)


def test_what_does_not_exist_is_absent(connector: EmbeddedConnector) -> None:
    for name, arguments in queries.SUBJECT_PARTS.items():
        values = {"year": "1999", "on": "1999-01-01"}
        fact = Fact(name, COMPANY if arguments else "XX99", {key: values.get(key, "nothing") for key in arguments})
        assert connector.observe([fact]) == ["absent"], name
        assert connector.observe([Fact(name, "XX99", fact.arguments)]) == ["absent"], name


def test_the_entry_behind_an_order_is_no_document_of_its_own(connector: EmbeddedConnector) -> None:
    entry = read(connector, "get_purchase_order", document="PO-2026-000001")["entry"]
    assert connector.observe([facts.document_status(COMPANY, str(entry))]) == ["absent"]


def test_a_fact_nobody_knows_is_a_defect(connector: EmbeddedConnector) -> None:
    with pytest.raises(ValueError, match="knows no fact"):
        connector.observe([Fact("colour", COMPANY, {})])
    with pytest.raises(ValueError, match="takes"):
        connector.observe([Fact("vendor_name", COMPANY, {"customer": "1"})])


def test_many_facts_of_every_kind_cost_one_message(connector: EmbeddedConnector) -> None:
    items = [facts.item(COMPANY, f"P-{1000 + index % 10}", "name") for index in range(200)]
    vendors = [facts.vendor(company, "70001", "status") for company in (COMPANY, "AT01")]
    budgets = [facts.budget(COMPANY, code, 2026, "remaining") for code in ("4010", "4020", "4030")]
    with CaptureQueriesContext(connections["ledger"]) as statements:
        answers = connector.observe([*items, *vendors, *budgets])
    assert len(statements) == 1
    assert answers[200:202] == ["active", "absent"]
    assert "absent" not in answers[202:]


@pytest.mark.parametrize("name", PAYLOADS)
def test_every_write_is_presented_from_the_books(connector: EmbeddedConnector, name: str) -> None:
    tool = get_write_tool(name)
    payload = tool.validate(PAYLOADS[name]())
    presented = tool.present(payload, COMPANY, connector)
    assert tool.effect(payload, COMPANY, connector).amount.currency == "EUR"
    checks = check_all(connector, presented.preconditions)
    assert all(check.is_holding for check in checks)


def test_presenting_an_order_costs_few_statements(connector: EmbeddedConnector) -> None:
    lines = [{"item": f"P-{1000 + index % 10}", "quantity": "1", "unit_price": "1"} for index in range(200)]
    tool = get_write_tool("create_purchase_order")
    payload = tool.validate(order_payload(lines=lines))
    with CaptureQueriesContext(connections["ledger"]) as statements:
        tool.present(payload, COMPANY, connector)
    assert len(statements) <= 7


def test_drift_is_seen(connector: EmbeddedConnector) -> None:
    tool = get_write_tool("create_purchase_order")
    presented = tool.present(tool.validate(order_payload()), COMPANY, connector)
    set_vendor_bank_fingerprint(company=COMPANY, vendor="70001", bank_fingerprint="sha256:other")
    set_vendor_status(company=COMPANY, vendor="70001", status=VendorStatus.BLOCKED)
    close_period(company=COMPANY, year=2026, month=11)
    drifted = [check for check in check_all(connector, presented.preconditions) if not check.is_holding]
    assert [check.precondition.code for check in drifted] == ["period_open", "vendor_active", "vendor_bank_unchanged"]
    with pytest.raises(PeriodClosed):
        tool.present(tool.validate(order_payload(vendor="70002")), COMPANY, connector)


def test_an_erp_that_does_not_answer_is_unavailable(connector: EmbeddedConnector, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(connections["ledger"], "cursor", refuse)
    calls = [
        lambda: read(connector, "get_vendor", vendor="70001"),
        lambda: connector.observe([facts.company_currency(COMPANY)]),
        lambda: connector.find_many([]),
        lambda: connector.trial_balance(COMPANY),
        lambda: connector.read_back_many(COMPANY, ["PO-2026-000001"]),
        lambda: list(connector.extract(COMPANY, None, datetime.max.replace(tzinfo=UTC))),
        connector.companies,
    ]
    for call in calls:
        with pytest.raises(ErpUnavailable) as refused:
            call()
        assert refused.value.retryable
    assert connector.health() == {"is_answering": False, "since": "", "detail": "connection refused"}


def test_health_and_companies(connector: EmbeddedConnector) -> None:
    assert connector.level is Level.A
    assert connector.health()["is_answering"] is True
    assert {row["code"] for row in connector.companies()} == {"AT01", "DE01"}


def test_a_company_has_its_connection(connector: EmbeddedConnector) -> None:
    assert connector_for(COMPANY) is all_connectors()[0]
    with pytest.raises(UnknownCompany):
        connector_for("XX99")
    with use_connector(StubConnector()) as stub:
        assert connector_for("XX99") is stub
        assert list(all_connectors()) == [stub]
    assert connector_for(COMPANY).name == "embedded"
