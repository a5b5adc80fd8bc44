"""Addresses of the graph of segregation of duties."""

from __future__ import annotations

from django.urls import path

from approvals.segregation import views

urlpatterns = [
    path("proposals/<str:proposal_id>/segregation/", views.proposal_segregation, name="proposal_segregation"),
    path("agents/<str:agent_id>/segregation/", views.agent_segregation, name="agent_segregation"),
]
