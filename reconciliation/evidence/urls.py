"""Addresses of evidence bundles."""

from __future__ import annotations

from django.urls import path

from reconciliation.evidence import views

app_name = "evidence"
urlpatterns = [
    path("", views.bundles, name="bundles"),
    path("period/", views.request_period, name="request_period"),
    path("<str:bundle_id>/progress/", views.progress, name="progress"),
    path("<str:bundle_id>/download/", views.download, name="download"),
]
