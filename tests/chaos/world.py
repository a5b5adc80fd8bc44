"""Who acts in a chaos run: companies with books, people, agents with grants, a policy that approves small things by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from django.contrib.auth.models import User
from joserfc.jwk import ECKey

from approvals.services import RowDraft
from identity.models import Agent, Role
from identity.principals import AgentPrincipal
from kernel.money import Money
from ledger.masters import CustomerMaster, StockMaster, VendorMaster, load_customers, load_items, load_stock, load_vendors
from tests.builders import ledger
from tests.builders.approvals import a_row, make_policy, principal_of
from tests.builders.identity import make_agent, make_credential, make_grant, make_group, make_key, make_user, terms
from tests.builders.ledger import NOW

COMPANIES = ("DE01", "AT01")
TOOLS = ("create_purchase_order", "post_journal_entry", "release_inventory", "update_customer")
AGENTS = 4
CUSTOMERS = 12
SCARCE_ITEMS = 4
SCARCE_QUANTITY = 40
# Vendors that the ERP's own people block at some time in the run, for good.
DOOMED_VENDORS = 6
# The month that the ERP's own people close at some time in the run.
CLOSING_MONTH, CLOSING_DAY = 10, "2026-10-30"
AUTOMATIC_UP_TO = 1_000_00
PLENTY = 10**12


def customer(number: int) -> str:
    """Return a customer's number."""
    return f"K{number:02d}"


def scarce_item(number: int) -> str:
    """Return an item of which there is too little for everybody."""
    return f"S{number:02d}"


def doomed_vendor(number: int) -> str:
    """Return a vendor that will be blocked."""
    return f"D{number:02d}"


@dataclass(slots=True)
class Acting:
    """One agent: its key, and its principal for each tool and company."""

    agent: Agent
    key: ECKey
    principals: dict[tuple[str, str], AgentPrincipal] = field(default_factory=dict)
    is_log_only: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """Everybody. The last agent of `leaving` is decommissioned during the run."""

    approvers: tuple[User, ...]
    owner: User
    operator: User
    acting: tuple[Acting, ...]
    log_only: Acting
    leaving: Acting


def rows() -> list[RowDraft]:
    """Return a matrix that approves what is small by itself and asks one buyer for the rest."""
    found = []
    for position, tool in enumerate(TOOLS):
        found += [
            a_row(10 * position + 1, title=f"Small: {tool}", tool=tool, up_to_minor=AUTOMATIC_UP_TO, is_automatic=True, steps=()),
            a_row(10 * position + 2, title=f"Larger: {tool}", tool=tool, from_minor=AUTOMATIC_UP_TO + 1),
        ]
    return found


def make_world() -> World:
    """Return the world, laid out in both databases; the rows behind it are made by the product's own services."""
    for company in COMPANIES:
        _open_books(company)
    approvers = tuple(make_user(name, [Role.APPROVER], COMPANIES) for name in ("alice", "bob"))
    make_group("purchasing", *approvers, companies=COMPANIES)
    owner = make_user("olga", [Role.AGENT_OWNER], COMPANIES)
    operator = make_user("otto", [Role.OPERATOR], COMPANIES)
    cora, cem = (make_user(name, [Role.CONTROLLER], COMPANIES) for name in ("cora", "cem"))
    make_policy(rows(), author=cora, activator=cem)
    acting = tuple(_acting(owner, f"Agent {number}") for number in range(1, AGENTS + 1))
    return World(
        approvers=approvers,
        owner=owner,
        operator=operator,
        acting=acting,
        log_only=_acting(owner, "Agent on probation", is_log_only=True),
        leaving=_acting(owner, "Agent that leaves"),
    )


def _open_books(company: str) -> None:
    ledger.open_company(company, budget="100000000.00")
    load_vendors(company, [VendorMaster(doomed_vendor(number), f"Vendor {number}", NOW.date()) for number in range(DOOMED_VENDORS)])
    load_items(company, [(scarce_item(number), f"Scarce item {number}", Decimal("2.5")) for number in range(SCARCE_ITEMS)])
    stock = [StockMaster(scarce_item(number), "MAIN", Decimal(SCARCE_QUANTITY)) for number in range(SCARCE_ITEMS)]
    load_stock(company, [*stock, StockMaster("I1", "DEPOT", Decimal(10_000_000))])
    load_customers(
        company, [CustomerMaster(customer(number), f"Customer {number}", Money.parse("5000.00", "EUR")) for number in range(CUSTOMERS)]
    )


def _acting(owner: User, name: str, *, is_log_only: bool = False) -> Acting:
    agent, key = make_agent(owner, name=name, companies=COMPANIES), make_key()
    credential = make_credential(agent, key)
    acting = Acting(agent, key, is_log_only=is_log_only)
    bounds = terms(
        companies=COMPANIES, ceiling_minor=PLENTY, ceiling_day_minor=PLENTY, ceiling_30_days_minor=PLENTY, count_per_hour=100_000
    )
    for tool in TOOLS:
        grant = make_grant(agent, tool, is_active=not is_log_only, bounds=bounds)
        for company in COMPANIES:
            acting.principals[tool, company] = principal_of(agent, grant, credential.thumbprint, company)
    return acting
