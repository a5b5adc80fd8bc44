"""Addresses of single sign-on, under the names allauth knows them by.

What allauth offers beside has none: signing up, and tying further identities.
"""

from __future__ import annotations

from django.urls import path

from identity.sign_on import views

urlpatterns = [
    path("oidc/<slug:provider_id>/login/", views.login, name="openid_connect_login"),
    path("oidc/<slug:provider_id>/login/callback/", views.callback, name="openid_connect_callback"),
    path("oidc/cancelled/", views.cancelled, name="socialaccount_login_cancelled"),
]
