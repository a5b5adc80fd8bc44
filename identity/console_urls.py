"""Addresses of the pages about agents and tools."""

from __future__ import annotations

from django.urls import path

from identity import views

app_name = "identity"
urlpatterns = [
    path("agents/", views.agents, name="agents"),
    path("agents/<str:agent_id>/", views.agent, name="agent"),
    path("agents/<str:agent_id>/activate/", views.activate, name="activate"),
    path("agents/<str:agent_id>/suspend/", views.suspend, name="suspend"),
    path("agents/<str:agent_id>/resume/", views.resume, name="resume"),
    path("agents/<str:agent_id>/grants/<str:grant_id>/activate/", views.activate_grant, name="activate_grant"),
    path("agents/<str:agent_id>/grants/<str:grant_id>/revoke/", views.revoke_grant, name="revoke_grant"),
    path("agents/<str:agent_id>/keys/<str:key_id>/revoke/", views.revoke_key, name="revoke_key"),
    path("tools/", views.tools, name="tools"),
    path("tools/<str:name>/", views.tool, name="tool"),
]
