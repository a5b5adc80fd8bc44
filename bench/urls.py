"""The product's addresses and the reference endpoint on the same server."""

from __future__ import annotations

from django.urls import include, path

from bench.bare import BareInsert

urlpatterns = [path("bench/bare", BareInsert.as_view()), path("", include("config.urls"))]
