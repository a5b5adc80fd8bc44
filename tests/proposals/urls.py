"""The two doors that agents use, for tests of the agents' door alone."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("api/v1/", include("proposals.urls")), path("", include("identity.urls"))]
