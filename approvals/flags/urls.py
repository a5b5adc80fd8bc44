"""Addresses of the thresholds."""

from __future__ import annotations

from django.urls import path

from approvals.flags import views

urlpatterns = [
    path("thresholds/", views.thresholds, name="thresholds"),
    path("thresholds/propose/", views.propose, name="propose_thresholds"),
    path("thresholds/<int:version>/activate/", views.activate, name="activate_thresholds"),
]
