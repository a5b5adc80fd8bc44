"""Every door of the installation."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from config.health import health, health_of_log
from config.views import home, preferences, search

# One login for everybody: rate limits, second factors and the record of both hold for the admin too.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

handler500 = "config.views.failures.server_error"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("theme/", home.theme, name="theme"),
    path("search/", search.search, name="search"),
    path("help/", preferences.help_page, name="help"),
    path("shortcuts/", preferences.shortcuts, name="shortcuts"),
    path("views/save/", preferences.save, name="save_view"),
    path("views/<uuid:view_id>/remove/", preferences.remove, name="remove_view"),
    path("health", health, name="health"),
    path("health/log", health_of_log, name="health_of_log"),
    # The agents' doors.
    path("", include("identity.urls")),
    path("api/v1/", include("proposals.urls")),
    # The people's doors.
    path("", include("approvals.urls")),
    path("", include("identity.console_urls")),
    path("", include("proposals.webhooks.urls")),
    path("commits/", include("commits.urls")),
    path("reconciliation/", include("reconciliation.urls")),
    path("audit/bundles/", include("reconciliation.evidence.urls")),
    path("audit/desk/", include("config.views.desk.urls")),
    path("audit/retention/", include("config.views.retention_urls")),
    path("audit/", include("config.views.audit_urls")),
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("accounts/", include("identity.sign_on.urls")),
    path("admin/", admin.site.urls),
]
