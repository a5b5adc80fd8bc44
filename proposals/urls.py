"""The agents' door, under /api/v1/."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.views import SpectacularJSONAPIView

from proposals import api, pages

app_name = "proposals"
urlpatterns = [
    path("tools", api.ToolCollection.as_view(), name="tools"),
    path("tools/<str:name>", api.ToolDetail.as_view(), name="tool"),
    path("tools/<str:name>/read", api.ToolRead.as_view(), name="tool-read"),
    path("reads/<str:read_id>", api.ReadDetail.as_view(), name="read"),
    path("proposals", api.ProposalCollection.as_view(), name="proposals"),
    path("proposals/batch", api.ProposalBatch.as_view(), name="proposal-batch"),
    path("proposals/<str:proposal_id>", api.ProposalDetail.as_view(), name="proposal"),
    path("proposals/<str:proposal_id>/withdraw", api.ProposalWithdraw.as_view(), name="proposal-withdraw"),
    path("schema", SpectacularJSONAPIView.as_view(), name="schema"),
    path("docs", pages.api_documentation, name="docs"),
]
