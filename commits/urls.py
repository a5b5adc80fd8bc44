"""Addresses of the pages about commits."""

from __future__ import annotations

from django.urls import path

from commits import views

app_name = "commits"
urlpatterns = [
    path("", views.commits, name="list"),
    path("of/<str:proposal_id>/", views.of_proposal, name="of_proposal"),
    path("<str:commit_id>/", views.commit, name="detail"),
    path("<str:commit_id>/retry/", views.retry, name="retry"),
    path("<str:commit_id>/resolve/", views.resolve, name="resolve"),
]
