"""The person behind a console request, as audit events name them."""

from __future__ import annotations

from django.http import HttpRequest

from kernel.actors import Actor

# Where django-allauth keeps how this login was made.
METHODS_KEY = "account_authentication_methods"
SECOND_FACTOR = "mfa"


def actor_of(request: HttpRequest) -> Actor:
    """Return the signed-in person with their session and the methods they signed in with; nobody signed in is a defect."""
    if request.user.pk is None:
        raise TypeError("an anonymous request has no actor; guard the view with identity.permissions.requires")
    records = request.session.get(METHODS_KEY, [])
    methods = tuple(str(record["method"]) for record in records if isinstance(record, dict) and "method" in record)
    factors = [str(record.get("type", "")) for record in records if isinstance(record, dict) and record.get("method") == SECOND_FACTOR]
    return Actor.human(
        request.user.pk,
        session=request.session.session_key or "",
        authentication=methods,
        second_factor=factors[-1] if factors else "none" if methods else "",
    )
