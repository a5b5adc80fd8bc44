"""Addresses of the pages about agents and tools."""

from __future__ import annotations

from django.urls import path

from identity import access_views, agent_views, views
from identity.federation import views as federation

app_name = "identity"
urlpatterns = [
    path("agents/", views.agents, name="agents"),
    path("agents/new/", agent_views.new_agent, name="new_agent"),
    path("agents/<str:agent_id>/", views.agent, name="agent"),
    path("agents/<str:agent_id>/start/", agent_views.start, name="start"),
    path("agents/<str:agent_id>/start/<str:kind>/", agent_views.sample, name="sample"),
    path("agents/<str:agent_id>/history/", agent_views.history, name="history"),
    path("agents/<str:agent_id>/edit/", agent_views.edit, name="edit"),
    path("agents/<str:agent_id>/tokens/", agent_views.tokens, name="tokens"),
    path("agents/<str:agent_id>/renew/", agent_views.renew, name="renew"),
    path("agents/<str:agent_id>/activate/", views.activate, name="activate"),
    path("agents/<str:agent_id>/suspend/", agent_views.suspend, name="suspend"),
    path("agents/<str:agent_id>/resume/", agent_views.resume, name="resume"),
    path("agents/<str:agent_id>/decommission/", agent_views.decommission, name="decommission"),
    path("agents/<str:agent_id>/grants/new/", access_views.new_grant, name="new_grant"),
    path("agents/<str:agent_id>/keys/new/", access_views.new_key, name="new_key"),
    path("agents/<str:agent_id>/grants/<str:grant_id>/activate/", views.activate_grant, name="activate_grant"),
    path("agents/<str:agent_id>/grants/<str:grant_id>/revoke/", views.revoke_grant, name="revoke_grant"),
    path("agents/<str:agent_id>/keys/<str:key_id>/revoke/", views.revoke_key, name="revoke_key"),
    path("agents/<str:agent_id>/federated/new/", federation.new_federated, name="new_federated"),
    path("agents/<str:agent_id>/federated/<str:federated_id>/revoke/", federation.revoke_federated, name="revoke_federated"),
    path("issuers/", federation.issuers, name="issuers"),
    path("issuers/new/", federation.new_issuer, name="new_issuer"),
    path("issuers/<str:issuer_id>/activate/", federation.activate, name="activate_issuer"),
    path("issuers/<str:issuer_id>/suspend/", federation.suspend, name="suspend_issuer"),
    path("tools/", views.tools, name="tools"),
    path("tools/<str:name>/", views.tool, name="tool"),
]
