"""The facts of `gateway.facts` over the embedded ledger, which answers any number of them with one statement per table."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.port import Fact
from ledger import queries


def observe(facts: Sequence[Fact]) -> list[str]:
    """Return the present value of each fact, in order; "absent" where its subject does not exist.

    Raises ValueError for a fact that this connector does not know: a defect of the caller, not a state of the ERP.
    """
    return queries.observe([_query(fact) for fact in facts])


def _query(fact: Fact) -> queries.FactQuery:
    names = queries.SUBJECT_PARTS.get(fact.name)
    if names is None:
        raise ValueError(f"The embedded ERP knows no fact {fact.name!r}.")
    if set(names) != set(fact.arguments):
        raise ValueError(f"The fact {fact.name} takes {names}, not {tuple(fact.arguments)}.")
    return queries.FactQuery(fact.name, fact.company, tuple(fact.arguments[name] for name in names))
