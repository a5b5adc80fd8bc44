"""What the list of commits can be narrowed to: state, connection, company, and one key or number."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.http import QueryDict

from commits.models import Commit
from commits.states import CommitState
from kernel.errors import DomainError
from kernel.ids import Prefix, decode

KEY_LENGTH_MAX = 80


@dataclass(frozen=True, slots=True)
class Filters:
    """The choices of one request; what makes no sense is no choice."""

    state: str
    connection: str
    company: str
    key: str

    @classmethod
    def of(cls, query: QueryDict) -> Filters:
        """Return the choices that an address makes."""
        state = query.get("state", "")
        texts = {name: query.get(name, "").replace("\0", "").strip()[:KEY_LENGTH_MAX] for name in ("connection", "company", "key")}
        return cls(state=state if state in CommitState.values else "", **texts)

    @property
    def count(self) -> int:
        """Return how many of the fields that are typed or chosen narrow the list; the state is a tab."""
        return sum(map(bool, (self.connection, self.company, self.key)))

    def rows(self, rows: QuerySet[Commit]) -> QuerySet[Commit]:
        """Return the commits that match."""
        if self.state:
            rows = rows.filter(state=self.state)
        if self.connection:
            rows = rows.filter(connection=self.connection)
        if self.company:
            rows = rows.filter(company=self.company)
        return rows.filter(_keyed(self.key)) if self.key else rows


def _keyed(text: str) -> Q:
    """Return the condition for a commit's or proposal's id, the key that the ERP knows, or a document number."""
    for prefix, name in ((Prefix.COMMIT, "pk"), (Prefix.PROPOSAL, "proposal_id")):
        if text.startswith(f"{prefix.value}_"):
            try:
                return Q(**{name: decode(prefix, text)})
            except DomainError:
                return Q(pk__in=[])
    try:
        return Q(pk=uuid.UUID(text))
    except ValueError:
        return Q(receipt__document=text) | Q(relandings__document=text)
