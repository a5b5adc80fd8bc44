"""The class in which the ERP keeps a vendor, asked before the transaction of a submission where the matrix has a row for a class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from approvals.flags.observing import observe as observe_for_rules
from approvals.models import PolicyRow
from approvals.states import PolicyState
from gateway.connections import connector_for
from gateway.port import TellsVendorClass
from kernel.errors import StateConflict
from proposals.gate import Asked, Draft

VENDOR_CLASS = "vendor_class"


def observe(asked: Sequence[Asked]) -> list[Mapping[str, object]]:
    """Return what the ERP told about each write: for the rules, and its vendor's class where a row of the matrix asks for one.

    An ERP that tells no classes leaves them empty, and rows for a class then match nothing. One that tells them but does not answer now
    refuses the submission: to go on without would be to pass over the row that was meant for this vendor. Raises ErpUnavailable.
    """
    seen = observe_for_rules(asked)
    by_company: dict[str, set[str]] = {}
    for item in asked:
        if item.effect.counterparty_kind == "vendor":
            by_company.setdefault(item.company, set()).add(item.effect.counterparty)
    if not by_company or not _is_asked_for():
        return seen
    classes = {company: _classes(company, sorted(vendors)) for company, vendors in by_company.items()}
    return [
        {**facts, VENDOR_CLASS: classes[item.company].get(item.effect.counterparty, "")} if item.company in classes else facts
        for item, facts in zip(asked, seen, strict=True)
    ]


def vendor_class_of(draft: Draft, rows: Iterable[PolicyRow] = ()) -> str:
    """Return the class that was seen for the draft's vendor, or an empty text.

    Raises StateConflict when one of these rows asks for it and nobody had looked: the matrix was activated a moment ago.
    """
    is_asked_for = draft.effect.counterparty_kind == "vendor" and any(row.vendor_class for row in rows)
    if is_asked_for and VENDOR_CLASS not in draft.observed:
        raise StateConflict(detail="The authority matrix has just changed; send this again, and it is routed by the new one.")
    return str(draft.observed.get(VENDOR_CLASS, ""))


def _is_asked_for() -> bool:
    return PolicyRow.objects.filter(policy__state=PolicyState.ACTIVE).exclude(vendor_class="").exists()


def _classes(company: str, vendors: Sequence[str]) -> Mapping[str, str]:
    connector = connector_for(company)
    return connector.vendor_classes(company, vendors) if isinstance(connector, TellsVendorClass) else {}
