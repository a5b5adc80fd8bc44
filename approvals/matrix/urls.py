"""Addresses of the controller's door, below policies/."""

from __future__ import annotations

from django.urls import path

from approvals.matrix import views

urlpatterns = [
    path("new/", views.new_policy, name="new_policy"),
    path("in-flight/", views.in_flight, name="in_flight"),
    path("currencies/", views.currencies, name="currencies"),
    path("currencies/record/", views.record_currency, name="record_currency"),
    path("<str:policy_id>/return/", views.return_policy, name="return_policy"),
    path("<str:policy_id>/rename/", views.rename, name="rename_policy"),
    path("<str:policy_id>/renumber/", views.renumber, name="renumber_policy"),
    path("<str:policy_id>/rows/new/", views.row, name="new_row"),
    path("<str:policy_id>/rows/<int:row_id>/", views.row, name="edit_row"),
    path("<str:policy_id>/rows/<int:row_id>/remove/", views.remove_row, name="remove_row"),
    path("<str:policy_id>/rows/<int:row_id>/move/", views.move_row, name="move_row"),
    path("<str:policy_id>/import/", views.import_policy, name="import_policy"),
    path("<str:policy_id>/export/", views.export_policy, name="export_policy"),
    path("<str:policy_id>/check/", views.check_policy, name="check_policy"),
    path("<str:policy_id>/try/", views.try_policy, name="try_policy"),
    path("<str:policy_id>/difference/", views.compare_policy, name="compare_policy"),
    path("<str:policy_id>/backtest/", views.backtest_policy, name="backtest_policy"),
]
