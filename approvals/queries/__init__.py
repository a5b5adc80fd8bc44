"""What the approvers' door reads: who may decide, the inbox, the route of one proposal, and the proof for the commit."""

from __future__ import annotations

from approvals.queries.authority import may_decide
from approvals.queries.inbox import Counts, InboxPage, InboxRow, View, badge, counts, inbox
from approvals.queries.narrowing import InboxFilters
from approvals.queries.rail import RouteView, route_view
from approvals.queries.verification import Problem, Verified, verify_route, verify_routes

__all__ = [
    "Counts",
    "InboxFilters",
    "InboxPage",
    "InboxRow",
    "Problem",
    "RouteView",
    "Verified",
    "View",
    "badge",
    "counts",
    "inbox",
    "may_decide",
    "route_view",
    "verify_route",
    "verify_routes",
]
