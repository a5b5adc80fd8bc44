"""What the side navigation shows to whom."""

from __future__ import annotations

from django.http import HttpRequest


def navigation(request: HttpRequest) -> dict[str, object]:
    """Return the navigation groups for the signed-in person."""
    del request
    return {"navigation": []}
