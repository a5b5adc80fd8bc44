"""The token endpoint and its published facts; mounted at the root, where RFC 8414 looks for them."""

from __future__ import annotations

from django.urls import URLPattern, path

from identity.tokens import views

urlpatterns: list[URLPattern] = [
    path("oauth/token", views.token, name="oauth_token"),
    path("oauth/authorize", views.authorize, name="oauth_authorize"),
    path("oauth/revoke", views.revoke, name="oauth_revoke"),
    path("oauth/introspect", views.introspect, name="oauth_introspect"),
    path(".well-known/jwks.json", views.key_set, name="oauth_key_set"),
    path(".well-known/oauth-authorization-server", views.metadata, name="oauth_metadata"),
    path(".well-known/oauth-protected-resource", views.resource_metadata, name="oauth_resource_metadata"),
    path(".well-known/oauth-protected-resource/<str:resource>", views.resource_metadata, name="oauth_named_resource_metadata"),
]
