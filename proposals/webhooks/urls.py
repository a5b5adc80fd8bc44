"""Addresses of the pages about an agent's webhooks."""

from __future__ import annotations

from django.urls import path

from proposals.webhooks import views

app_name = "webhooks"
urlpatterns = [
    path("agents/<str:agent_id>/webhooks/", views.page, name="page"),
    path("agents/<str:agent_id>/webhooks/set/", views.set_endpoint, name="set"),
    path("agents/<str:agent_id>/webhooks/rotate/", views.rotate_secret, name="rotate"),
    path("agents/<str:agent_id>/webhooks/off/", views.switch_off, name="off"),
    path("agents/<str:agent_id>/webhooks/on/", views.switch_on, name="on"),
    path("agents/<str:agent_id>/webhooks/test/", views.send_test, name="test"),
]
