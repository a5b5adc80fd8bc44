"""Addresses of the retention pages."""

from __future__ import annotations

from django.urls import path

from config.views import retention

app_name = "retention"
urlpatterns = [
    path("", retention.home, name="home"),
    path("rules/", retention.set_rule, name="set-rule"),
    path("holds/", retention.place_hold, name="place-hold"),
    path("holds/<str:hold_id>/release/", retention.release_hold, name="release-hold"),
    path("expiry/", retention.list_expired, name="list-expired"),
    path("erasures/", retention.list_erasure, name="list-erasure"),
    path("lists/<str:disposal_id>/", retention.one_list, name="list"),
    path("lists/<str:disposal_id>/approve/", retention.approve, name="approve"),
    path("lists/<str:disposal_id>/decline/", retention.decline, name="decline"),
    path("lists/<str:disposal_id>/certificate/", retention.certificate, name="certificate"),
]
