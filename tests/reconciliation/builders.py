"""Breaks the way they come about: past the gate, behind its back, or by an ERP that forgets."""

from __future__ import annotations

from kernel.clock import now as clock_now
from ledger.contracts import GATE
from ledger.services import place_staff_order, post_staff_entry
from proposals.models import Proposal
from reconciliation import services
from reconciliation.models import Break, Run
from tests.builders import ledger
from tests.builders.commits import Gate, as_owner, landed_orders, run
from tests.builders.identity import COMPANY


def reconcile() -> Run:
    """Return a full run up to now."""
    return services.reconcile(company=COMPANY, now=clock_now())


def kinds() -> list[tuple[str, str]]:
    """Return kind and document of every break that is open, sorted."""
    return sorted(Break.objects.filter(state="open").values_list("kind", "document"))


def write_past_the_gate(amount: str = "77.00", reference: str = "") -> str:
    """Return the number of an order that nobody approved."""
    action = ledger.order(lines=(("I1", "1", amount),))
    return place_staff_order(company=COMPANY, action=action, written_by=GATE, reference=reference, now=clock_now()).document


def committed(gate: Gate, amount: str = "100.00") -> tuple[Proposal, str]:
    """Return a proposal that was committed, and the number of its order."""
    proposal = gate.order(amount)
    run()
    return proposal, landed_orders(proposal)[0].number


def alter(document: str, note: str = "altered later") -> None:
    """Change an order in the ERP's books after it landed."""
    as_owner("UPDATE ledger_purchaseorder SET note = %s WHERE number = %s", [note, document], using="ledger")


def reverse_outside(document: str) -> str:
    """Return the number of the entry with which the ERP's own staff reversed a document."""
    action = ledger.reversal(document, company=COMPANY)
    return post_staff_entry(company=COMPANY, action=action, written_by="staff", now=clock_now()).document


def an_orphan(amount: str = "77.00") -> Break:
    """Return the break of an order that nobody approved."""
    document = write_past_the_gate(amount)
    reconcile()
    return Break.objects.get(document=document)
