"""Approved proposals over real books: the whole gate in front of the embedded ledger, ready to be committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import connections, transaction

from approvals.services import RowDraft
from audit.models import Event
from commits import services
from commits.models import Commit
from commits.records import Counts
from identity.models import Role
from kernel.canonical import parse_json
from kernel.clock import now as clock_now
from ledger.models import JournalEntry, PurchaseOrder
from proposals.models import Proposal
from tests.builders import ledger
from tests.builders.approvals import Cast, a_row, approved, make_cast, principal_of
from tests.builders.audit import seal_all
from tests.builders.identity import COMPANY, make_grant, make_user
from tests.builders.kept import kept
from tests.builders.proposals import submit

WORKER = "test:1"
TOOL = "create_purchase_order"
AUTOMATIC_UP_TO = 1_000_00


def rows() -> list[RowDraft]:
    """Return a matrix that approves small orders by itself, asks one buyer for larger ones and for every journal entry."""
    return [
        a_row(10, title="Small orders", up_to_minor=AUTOMATIC_UP_TO, is_automatic=True, steps=()),
        a_row(20, title="Orders", from_minor=AUTOMATIC_UP_TO + 1, up_to_minor=100_000_00),
        a_row(30, title="Entries", tool="post_journal_entry", up_to_minor=100_000_00),
        a_row(40, title="Releases", tool="release_inventory", up_to_minor=100_000_00),
        a_row(50, title="Customers", tool="update_customer", up_to_minor=100_000_00),
    ]


@dataclass(frozen=True, slots=True)
class Gate:
    """The cast in front of the books of DE01, and Otto, who operates."""

    cast: Cast
    otto: User

    def order(self, amount: str = "100.52", **fields: Any) -> Proposal:
        """Return a proposal over this amount; up to 1,000.00 EUR it is approved by itself."""
        payload = ledger.order(lines=(("I1", "1", amount),))
        return submit(self.cast.principal, TOOL, payload, **fields)

    def approved_order(self, amount: str = "2500.00", **fields: Any) -> Proposal:
        """Return a proposal that Alice approved."""
        return approved(self.order(amount, **fields), self.cast.alice)

    def approved(self, tool: str, payload: Mapping[str, Any]) -> Proposal:
        """Return a proposal of another tool, which the agent is granted here, approved by Alice."""
        grant = make_grant(self.cast.agent, tool)
        principal = principal_of(self.cast.agent, grant, self.cast.principal.credential_thumbprint)
        return approved(submit(principal, tool, payload), self.cast.alice)

    def orders(self, count: int) -> list[Proposal]:
        """Return so many small orders, approved by themselves."""
        return [self.order(f"{number + 1}.00") for number in range(count)]


def make_gate(*, budget: str = "10000000.00", is_log_only: bool = False) -> Gate:
    """Return the gate of DE01 with its books open."""
    kept(f"books {budget}", lambda: ledger.open_company(COMPANY, budget=budget), aliases=("ledger",))
    return kept(f"gate {is_log_only}", lambda: _gate(is_log_only=is_log_only))


def _gate(*, is_log_only: bool) -> Gate:
    gate = Gate(cast=make_cast(rows(), is_log_only=is_log_only), otto=make_user("otto", [Role.OPERATOR]))
    seal_all()  # a policy is final only with a sealed receipt: nothing is committed before
    return gate


def run() -> Counts:
    """Commit everything that is approved, as the wake-up does."""
    return services.run(now=clock_now)


def commit_of(proposal: Proposal) -> Commit:
    """Return the proposal's commit as it stands."""
    return Commit.objects.select_related("proposal__outcome").get(proposal=proposal)


def landed_orders(*proposals: Proposal) -> list[PurchaseOrder]:
    """Return the orders in the ledger that name these proposals, or all."""
    found = PurchaseOrder.objects.order_by("number")
    return list(found.filter(reference__in=[item.public_id for item in proposals]) if proposals else found)


def entries() -> list[JournalEntry]:
    """Return every journal entry of the ledger."""
    return list(JournalEntry.objects.order_by("number"))


def kinds(proposal: Proposal) -> list[str]:
    """Return the kinds of the events about the proposal, first to last."""
    return [event.kind for event in Event.objects.filter(chain=proposal.public_id).order_by("position")]


def outcome_of(event: Event) -> dict[str, Any]:
    """Return the outcome that an event records."""
    record = parse_json(bytes(event.bytes))
    assert isinstance(record, dict)
    outcome: dict[str, Any] = record["outcome"]
    return outcome


def last_event(proposal: Proposal, kind: str) -> Event:
    """Return the latest event of this kind about the proposal."""
    found = Event.objects.filter(chain=proposal.public_id, kind=kind).order_by("position").last()
    assert found is not None, kinds(proposal)
    return found


def as_owner(statement: str, parameters: Sequence[Any] = (), *, using: str = "default") -> None:
    """Run SQL with every trigger off, as only the owner of the database can."""
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        # What is still to be checked is checked as it stands before.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, parameters)
        cursor.execute("SET LOCAL session_replication_role = origin")


def remove_order(document: str) -> None:
    """Take an order out of the ERP's books, as no ERP should ever allow."""
    order = PurchaseOrder.objects.get(number=document)
    as_owner("DELETE FROM ledger_purchaseorderline WHERE order_id = %s", [order.pk], using="ledger")
    as_owner("DELETE FROM ledger_purchaseorder WHERE id = %s", [order.pk], using="ledger")
