"""Addresses of the auditor's desk."""

from __future__ import annotations

from django.urls import path

from config.views.desk import views

app_name = "desk"
urlpatterns = [
    path("", views.home, name="home"),
    path("search/", views.search, name="search"),
    path("tie-out/", views.tied, name="tie_out"),
    path("controls/", views.controls, name="controls"),
    path("controls/export/", views.export_controls, name="export_controls"),
    path("access/", views.access, name="access"),
    path("rules/", views.rule_runs, name="rule_runs"),
    path("rules/run/", views.run_rules, name="run_rules"),
    path("rules/<str:run_id>/", views.rule_run, name="rule_run"),
    path("rules/<str:run_id>/export/", views.export_hits, name="export_hits"),
    path("samples/", views.samples, name="samples"),
    path("samples/draw/", views.draw, name="draw"),
    path("samples/<str:sample_id>/", views.sample, name="sample"),
    path("samples/<str:sample_id>/export/", views.export_sample, name="export_sample"),
]
