"""Addresses of the pages about commits."""

from __future__ import annotations

from django.urls import path

from commits import connection_views, views

app_name = "commits"
urlpatterns = [
    path("", views.commits, name="list"),
    path("of/<str:proposal_id>/", views.of_proposal, name="of_proposal"),
    path("connections/", connection_views.connections, name="connections"),
    path("connections/<str:name>/", connection_views.connection, name="connection"),
    path("connections/<str:name>/faults/", connection_views.switch_fault, name="switch_fault"),
    path("<str:commit_id>/", views.commit, name="detail"),
    path("<str:commit_id>/retry/", views.retry, name="retry"),
    path("<str:commit_id>/resolve/", views.resolve, name="resolve"),
]
