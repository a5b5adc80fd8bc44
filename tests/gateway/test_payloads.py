"""Payloads are taken as they should be, or refused naming the field, what is wrong and what would be acceptable."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.catalogue import get_tool, get_write_tool
from gateway.errors import UnbalancedEntry
from kernel.canonical import canonical_bytes
from kernel.errors import FieldError, ValidationFailed
from kernel.money import Money
from tests.builders.gateway import PAYLOADS, customer_payload, entry_payload, order_payload, release_payload


def refusals(tool: str, payload: Any) -> dict[str, FieldError]:
    with pytest.raises(ValidationFailed) as refused:
        get_tool(tool).validate(payload)
    assert refused.value.errors
    return {error.path: error for error in refused.value.errors}


def line(**changes: Any) -> dict[str, Any]:
    return {"item": "P-1003", "quantity": "1", "unit_price": "1"} | changes


@pytest.mark.parametrize(
    ("quantity", "message"),
    [
        (1.5, "a float where a string belongs"),
        (550, "an integer where a string belongs"),
        (True, "a boolean where a string belongs"),
        (None, "null where a string belongs"),
        ("0", "0 is not above zero"),
        ("0.000", "0.000 is not above zero"),
        ("-1", "'-1' does not have the required form"),
        ("+1", "'+1' does not have the required form"),
        ("1e3", "'1e3' does not have the required form"),
        ("1,000", "'1,000' does not have the required form"),
        (" 1", "' 1' does not have the required form"),
        ("01", "'01' does not have the required form"),
        ("1.", "'1.' does not have the required form"),
        ("NaN", "'NaN' does not have the required form"),
        ("١", "'١' does not have the required form"),
        ("1\n", "'1\\n' does not have the required form"),
        ("1" * 13, f"'{'1' * 13}' does not have the required form"),
        ("1." + "1" * 11, f"'1.{'1' * 11}' does not have the required form"),
    ],
)
def test_a_quantity_is_a_plain_decimal_string_above_zero(quantity: object, message: str) -> None:
    found = refusals("create_purchase_order", order_payload(lines=[line(), line(quantity=quantity)]))
    assert list(found) == ["/payload/lines/1/quantity"]
    error = found["/payload/lines/1/quantity"]
    assert error.message == message
    assert error.acceptable.startswith("a decimal above zero as a string")


def test_every_fault_is_named_with_its_path() -> None:
    payload = order_payload(vendor=70001, ordered_on="2026-02-30", currency="eur", lines=[line(unit_price="-1", colour="red")], color="x")
    del payload["cost_centre"]
    found = refusals("create_purchase_order", payload)
    assert {path: error.message for path, error in found.items()} == {
        "/payload/vendor": "an integer where a string belongs",
        "/payload/ordered_on": "2026-02-30 is not a day of the calendar",
        "/payload/cost_centre": "required, but absent",
        "/payload/currency": "'eur' does not have the required form",
        "/payload/lines/0/unit_price": "'-1' does not have the required form",
        "/payload/lines/0/colour": "there is no such field",
        "/payload/color": "there is no such field",
    }
    assert found["/payload/lines/0/colour"].acceptable == "only these fields: description, item, quantity, unit_price"
    assert found["/payload/cost_centre"].acceptable
    assert all(error.acceptable for error in found.values())


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"reference": "x" * 81}, "/payload/reference", "81 characters long"),
        ({"note": "x" * 501}, "/payload/note", "501 characters long"),
        ({"reference": "  "}, "/payload/reference", "the text is blank"),
        ({"reference": "a\nb"}, "/payload/reference", "character 2 is a control or invisible character (U+000A)"),
        ({"note": "pay\u202eeno"}, "/payload/note", "character 4 is a control or invisible character (U+202E)"),
        ({"note": "a\u200bb"}, "/payload/note", "character 2 is a control or invisible character (U+200B)"),
        ({"reference": "REQ-\u200d1"}, "/payload/reference", "character 5 is a control or invisible character (U+200D)"),
        ({"reference": "REQ-1\U000e0100"}, "/payload/reference", "character 6 is a control or invisible character (U+E0100)"),
        ({"note": "a\x00"}, "/payload/note", "character 2 is a control or invisible character (U+0000)"),
        ({"vendor": "7; DROP"}, "/payload/vendor", "'7; DROP' does not have the required form"),
        ({"lines": []}, "/payload/lines", "0 entries"),
        ({"lines": [line()] * 201}, "/payload/lines", "201 entries"),
        ({"lines": {}}, "/payload/lines", "an object where a list belongs"),
        ({"lines": ["x"]}, "/payload/lines/0", "a string where an object belongs"),
        ({"deliver_on": "2026-11-22"}, "/payload/deliver_on", "2026-11-22 lies before ordered_on"),
        ({"ordered_on": "1900-01-01"}, "/payload/ordered_on", "the year 1900 is out of range"),
        ({"lines": [line(unit_price="0")]}, "/payload/lines", "the order's total is zero"),
        ({"lines": [line(unit_price="0.004")]}, "/payload/lines", "the order's total is zero"),
    ],
)
def test_an_order_out_of_bounds_is_refused(changes: dict[str, Any], path: str, message: str) -> None:
    found = refusals("create_purchase_order", order_payload(**changes))
    assert {name: error.message for name, error in found.items()} == {path: message}
    assert found[path].acceptable


def test_an_amount_larger_than_can_be_held_is_refused_at_its_line() -> None:
    huge = line(quantity="999999999999", unit_price="999999999999")
    assert list(refusals("create_purchase_order", order_payload(lines=[line(), huge]))) == ["/payload/lines/1"]
    large = line(quantity="90", unit_price="999999999999")
    found = refusals("create_purchase_order", order_payload(lines=[large, large]))
    assert list(found) == ["/payload/lines"]


def test_a_note_may_have_line_breaks() -> None:
    payload = order_payload(note="Gate 3.\nRing twice: Müller → «Straße» ☎\ufe0f")
    tool = get_write_tool("create_purchase_order")
    assert tool.canonical(tool.validate(payload))["note"] == payload["note"]


def test_absent_and_null_are_the_same_and_are_dropped() -> None:
    tool = get_write_tool("create_purchase_order")
    canonical = tool.canonical(tool.validate(order_payload(deliver_on=None, note=None)))
    assert "deliver_on" not in canonical
    assert "note" not in canonical
    assert "description" not in canonical["lines"][0]
    canonical_bytes(canonical)


def test_decimals_stay_as_they_were_written() -> None:
    tool = get_write_tool("create_purchase_order")
    canonical = tool.canonical(tool.validate(order_payload(lines=[line(quantity="550.00", unit_price="45.5805")])))
    assert canonical["lines"][0] == {"item": "P-1003", "quantity": "550.00", "unit_price": "45.5805"}


def test_an_unbalanced_entry_names_both_totals() -> None:
    lines = [{"account": "6300", "debit": "100.00"}, {"account": "2000", "credit": "99.99"}]
    with pytest.raises(UnbalancedEntry) as refused:
        get_tool("post_journal_entry").validate(entry_payload(lines=lines))
    assert refused.value.code == "unbalanced_entry"
    assert refused.value.detail == "The entry does not balance: debits sum to 100.00 EUR but credits to 99.99 EUR."
    assert refused.value.data == {
        "debit_total": "100.00",
        "credit_total": "99.99",
        "difference": "0.01",
        "currency": "EUR",
    }
    assert [error.path for error in refused.value.errors] == ["/payload/lines"]
    assert refused.value.errors[0].acceptable == "0.01 EUR more in credit, or less on the other side"


@pytest.mark.parametrize(
    ("first", "path", "message"),
    [
        ({"account": "6300"}, "/payload/lines/0", "the line has neither debit nor credit"),
        ({"account": "6300", "debit": "1", "credit": "1"}, "/payload/lines/0", "the line has both debit and credit"),
        ({"account": "6300", "debit": "0"}, "/payload/lines/0/debit", "0 is not above zero"),
        ({"account": "6300", "debit": "1.001"}, "/payload/lines/0/debit", "1.001 is too precise"),
        ({"account": "6300", "debit": 1}, "/payload/lines/0/debit", "an integer where a string belongs"),
    ],
)
def test_a_line_has_one_side_in_whole_minor_units(first: dict[str, Any], path: str, message: str) -> None:
    found = refusals("post_journal_entry", entry_payload(lines=[first, {"account": "2000", "credit": "1"}]))
    assert {name: error.message for name, error in found.items()} == {path: message}


def test_an_entry_has_two_lines_at_least() -> None:
    found = refusals("post_journal_entry", entry_payload(lines=[{"account": "6300", "debit": "1"}]))
    assert found["/payload/lines"].acceptable == "at least 2 entries"


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"changes": {}}, "/payload/changes", "nothing is changed"),
        ({"changes": {"status": "deleted"}}, "/payload/changes/status", "'deleted' is not one of the known values"),
        ({"changes": {"credit_limit": 35000}}, "/payload/changes/credit_limit", "an integer where a string belongs"),
        (
            {"changes": {"payment_terms_days": "30"}},
            "/payload/changes/payment_terms_days",
            "a string where an integer belongs",
        ),
        (
            {"changes": {"payment_terms_days": 366}},
            "/payload/changes/payment_terms_days",
            "366 is out of range",
        ),
        ({"changes": {"name": "x"}}, "/payload/changes/name", "there is no such field"),
        ({"expected_version": "1"}, "/payload/expected_version", "a string where an integer belongs"),
        ({"expected_version": True}, "/payload/expected_version", "a boolean where an integer belongs"),
        ({"expected_version": 1.0}, "/payload/expected_version", "a float where an integer belongs"),
    ],
)
def test_a_customer_change_out_of_bounds_is_refused(changes: dict[str, Any], path: str, message: str) -> None:
    found = refusals("update_customer", customer_payload(**changes))
    assert {name: error.message for name, error in found.items()} == {path: message}
    assert found[path].acceptable


@pytest.mark.parametrize("name", PAYLOADS)
@pytest.mark.parametrize("body", [[], "x", None, 1])
def test_a_payload_is_an_object(name: str, body: object) -> None:
    assert list(refusals(name, body)) == ["/payload"]


def test_arguments_of_a_read_have_paths_of_their_own() -> None:
    found = refusals("check_budget", {"cost_centre": "4010", "year": "2026"})
    assert list(found) == ["/arguments/year"]
    found = refusals("search_vendors", {"text": "x", "limit": 51})
    assert found["/arguments/limit"].acceptable == "How many vendors at most, 1 to 50"


def test_faults_are_bounded_in_number() -> None:
    lines = [line(quantity=1) for _ in range(150)]
    with pytest.raises(ValidationFailed) as refused:
        get_tool("create_purchase_order").validate(order_payload(lines=lines))
    assert len(refused.value.errors) == 50
    assert "(150 in all)" in refused.value.detail


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from(sorted(PAYLOADS)), data=st.data())
def test_whatever_is_put_into_a_field_is_taken_canonically_or_refused_by_path(name: str, data: st.DataObject) -> None:
    payload = PAYLOADS[name]()
    field = data.draw(st.sampled_from(sorted(payload)))
    payload[field] = data.draw(JSON_VALUES)
    tool = get_write_tool(name)
    errors: list[FieldError] = []
    canonical: dict[str, Any] = {}
    try:
        canonical = tool.canonical(tool.validate(payload))
    except ValidationFailed as refused:
        errors = list(refused.errors)
    # A value that was taken has canonical bytes; one that was not is named.
    assert bool(canonical) != bool(errors)
    assert canonical_bytes(canonical)
    assert all(error.path.startswith("/payload") for error in errors)


@settings(max_examples=100, deadline=None)
@given(
    amounts=st.lists(st.integers(1, 10**9), min_size=1, max_size=20),
    off=st.integers(-5, 5),
)
def test_only_balanced_entries_pass(amounts: list[int], off: int) -> None:
    credit = sum(amounts) + off
    if credit <= 0:
        return
    lines = [{"account": "6300", "debit": Money(minor, "EUR").decimal_text()} for minor in amounts]
    lines.append({"account": "2000", "credit": Money(credit, "EUR").decimal_text()})
    tool = get_write_tool("post_journal_entry")
    if off:
        with pytest.raises(UnbalancedEntry):
            tool.validate(entry_payload(lines=lines))
    else:
        tool.validate(entry_payload(lines=lines))


def test_a_release_takes_what_is_well_formed() -> None:
    tool = get_write_tool("release_inventory")
    assert tool.canonical(tool.validate(release_payload(cost_centre="4010")))["cost_centre"] == "4010"
