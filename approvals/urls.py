"""Addresses of the approvers' door."""

from __future__ import annotations

from django.urls import include, path

from approvals import decision_views, views

app_name = "approvals"
urlpatterns = [
    path("inbox/", views.inbox, name="inbox"),
    path("proposals/", views.proposals, name="proposals"),
    path("proposals/<str:proposal_id>/", views.proposal, name="proposal"),
    path("proposals/<str:proposal_id>/progress/", views.progress, name="progress"),
    path("proposals/<str:proposal_id>/decide/", views.decide, name="decide"),
    path("proposals/<str:proposal_id>/sign/", decision_views.sign, name="sign"),
    path("proposals/<str:proposal_id>/comment/", decision_views.comment, name="comment"),
    path("proposals/<str:proposal_id>/attach/", decision_views.attach, name="attach"),
    path("proposals/<str:proposal_id>/attachments/<str:attachment_id>/", decision_views.attachment, name="attachment"),
    path("proposals/<str:proposal_id>/as-shown/<str:digest>/", decision_views.as_shown, name="as_shown"),
    path("second-factor/", decision_views.second_factor, name="second_factor"),
    path("", include("approvals.work.urls")),
    path("", include("approvals.flags.urls")),
    path("policies/", views.policies, name="policies"),
    path("policies/", include("approvals.matrix.urls")),
    path("", include("approvals.segregation.urls")),
    path("policies/<str:policy_id>/", views.policy, name="policy"),
    path("policies/<str:policy_id>/submit/", views.submit_policy, name="submit_policy"),
    path("policies/<str:policy_id>/activate/", views.activate_policy, name="activate_policy"),
]
