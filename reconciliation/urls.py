"""Addresses of the pages about reconciliation."""

from __future__ import annotations

from django.urls import path

from reconciliation import views

app_name = "reconciliation"
urlpatterns = [
    path("", views.runs, name="runs"),
    path("run/", views.run_now, name="run_now"),
    path("runs/<str:run_id>/", views.run, name="run"),
    path("breaks/", views.breaks, name="breaks"),
    path("breaks/<str:break_id>/", views.one_break, name="break"),
    path("breaks/<str:break_id>/explain/", views.explain, name="explain"),
    path("breaks/<str:break_id>/write-off/", views.write_off, name="write_off"),
    path("breaks/<str:break_id>/compensate/", views.compensate, name="compensate"),
]
