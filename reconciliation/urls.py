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
    path("breaks/export/", views.export, name="export"),
    path("breaks/<str:break_id>/", views.one_break, name="break"),
    path("breaks/<str:break_id>/explain/", views.explain, name="explain"),
    path("breaks/<str:break_id>/write-off/", views.write_off, name="write_off"),
    path("breaks/<str:break_id>/second/", views.second, name="second"),
    path("breaks/<str:break_id>/decline/", views.decline, name="decline"),
    path("breaks/<str:break_id>/take/", views.take, name="take"),
    path("breaks/<str:break_id>/release/", views.release, name="release"),
    path("breaks/<str:break_id>/recommit/", views.recommit, name="recommit"),
    path("breaks/<str:break_id>/compensate/", views.compensate, name="compensate"),
]
