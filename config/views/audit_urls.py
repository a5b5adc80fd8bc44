"""Addresses of the audit pages."""

from __future__ import annotations

from django.urls import path

from config.views import audit

app_name = "audit"
urlpatterns = [
    path("", audit.log, name="log"),
    path("events/<str:event_id>/", audit.one_event, name="event"),
    path("proposals/<str:proposal_id>/", audit.proposal, name="proposal"),
    path("proposals/<str:proposal_id>/bundle/", audit.bundle, name="bundle"),
    path("proposals/<str:proposal_id>/inclusion/", audit.inclusion, name="inclusion"),
]
