"""Addresses of the approvers' door."""

from __future__ import annotations

from django.urls import path

from approvals import views

app_name = "approvals"
urlpatterns = [
    path("inbox/", views.inbox, name="inbox"),
    path("proposals/", views.proposals, name="proposals"),
    path("proposals/<str:proposal_id>/", views.proposal, name="proposal"),
    path("proposals/<str:proposal_id>/progress/", views.progress, name="progress"),
    path("proposals/<str:proposal_id>/decide/", views.decide, name="decide"),
    path("policies/", views.policies, name="policies"),
    path("policies/<str:policy_id>/", views.policy, name="policy"),
    path("policies/<str:policy_id>/submit/", views.submit_policy, name="submit_policy"),
    path("policies/<str:policy_id>/activate/", views.activate_policy, name="activate_policy"),
]
