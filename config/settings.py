"""Settings of an installation: read from the environment, refused with a clear sentence when they make no sense."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF

import kernel.release
from config import checkpoint_places, residency, single_sign_on
from config.databases import Process, current_process, database_settings
from config.paths import CHECKPOINTS, DATA, EVIDENCE, PROJECT
from config.secret_store import new_checkpoint_signing_key, new_payload_key, new_token_signing_key, secret, secret_file
from gateway.addresses import AllowList, parse_allow_list
from identity.limits.quotas import Quota, parse_quota
from kernel.clock import now
from kernel.errors import DomainError
from kernel.money import Money
from reconciliation.evidence.report_key import new_report_identity

PROCESS = current_process()
BASE_DIR = PROJECT


def flag(name: str, default: bool) -> bool:
    """Return a yes/no variable; anything but on/off, true/false, 1/0 is refused."""
    text = os.environ.get(name, "on" if default else "off").lower()
    if text in {"1", "on", "true", "yes"}:
        return True
    if text in {"0", "off", "false", "no"}:
        return False
    raise SystemExit(f"{name}={text!r} is neither on nor off.")


def number(name: str, default: int, *, low: int, high: int) -> int:
    """Return a whole number from a variable; one outside the range is refused."""
    text = os.environ.get(name, str(default))
    if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
        raise SystemExit(f"{name}={text!r} is not a whole number from {low} to {high}.")
    return int(text)


def allow_list(name: str) -> AllowList:
    """Return the hosts and networks listed in a variable, separated by commas."""
    try:
        return parse_allow_list(os.environ.get(name, "").split(","))
    except ValueError as error:
        raise SystemExit(f"{name}: {error}.") from error


def minor_amounts(name: str, default: str) -> dict[str, int]:
    """Return amounts by currency, in minor units, from a variable like EUR=100.00,USD=100.00."""
    try:
        pairs = [part.strip().split("=") for part in os.environ.get(name, default).split(",") if part.strip()]
        return {currency: abs(Money.parse(text, currency).minor) for currency, text in pairs}
    except (DomainError, ValueError) as error:
        raise SystemExit(f"{name}: {getattr(error, 'detail', '') or error}; expected amounts like EUR=100.00,USD=100.00.") from error


def quota(name: str, variable: str, default: str) -> Quota | None:
    """Return the quota that a variable spells, e.g. `600/60`; None when it is off."""
    try:
        return parse_quota(name, os.environ.get(variable, default))
    except ValueError as error:
        raise SystemExit(f"{variable}: {error}.") from error


DEBUG = False
SECRET_KEY = secret("secret_key")
PUBLIC_URL = os.environ.get("COUNTERSIGN_PUBLIC_URL", "http://localhost:8000").rstrip("/")
IS_HTTPS = PUBLIC_URL.startswith("https://")
ALLOWED_HOSTS = os.environ.get("COUNTERSIGN_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
INSTALLATION = os.environ.get("COUNTERSIGN_INSTALLATION", "local")
REGION = os.environ.get("COUNTERSIGN_REGION", "unspecified")
# Which code wrote an event; a deployment may say more than the version, such as the commit it was built from.
RELEASE = os.environ.get("COUNTERSIGN_RELEASE", kernel.release.RELEASE)
IS_DEMO = flag("COUNTERSIGN_DEMO", default=False)
IS_TRACED = flag("COUNTERSIGN_OPENTELEMETRY", default=False)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "rest_framework",
    "drf_spectacular",
    "django_q",
    "django_htmx",
    "csp",
    "simple_history",
    "config",
    "audit",
    "ledger",
    "gateway",
    "identity",
    "proposals",
    "approvals",
    "commits",
    "reconciliation",
    "reconciliation.evidence",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.middleware.OriginMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "config.middleware.DomainErrorMiddleware",
    "config.enrolment.FreshSignInMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PROJECT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.navigation.navigation",
            ]
        },
    }
]

DATABASES = database_settings(PROCESS)
DATABASE_ROUTERS = ["config.routers.LedgerRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "django_cache"}}

# People ---------------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
LOGIN_REDIRECT_URL = "/"
LOGIN_URL = "account_login"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "identity.adapters.ClosedSignupAdapter"
ACCOUNT_SESSION_REMEMBER = False
SOCIALACCOUNT_ADAPTER = "identity.sign_on.adapter.SingleSignOnAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = True
SOCIALACCOUNT_PROVIDERS = single_sign_on.providers()
SSO_ISSUER = single_sign_on.issuer()
ACCOUNT_LOGOUT_ON_GET = False
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_WEBAUTHN_USER_VERIFICATION = "required"
MFA_ALLOW_UNVERIFIED_EMAIL = IS_DEMO
MFA_ADAPTER = "identity.adapters.SecondFactorAdapter"
# The same code twice is refused by a mark in the cache, which is shared; with a tolerance the mark would die before the code.
MFA_TOTP_TOLERANCE = 0
WEBAUTHN_RP_ID = urlsplit(PUBLIC_URL).hostname or "localhost"
WEBAUTHN_ORIGINS = [PUBLIC_URL]
SECOND_FACTOR_KEY = secret("second_factor_key")
# Whoever activates a policy in the console confirms it with a second factor; a demonstration's people have none at first.
POLICY_STEP_UP = flag("COUNTERSIGN_POLICY_STEP_UP", default=not IS_DEMO)
SESSION_COOKIE_AGE = 8 * 60 * 60
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True

# Mail to approvers (docs/settings.md): off until a mail server, or another backend of Django's, is named.
EMAIL_HOST = os.environ.get("COUNTERSIGN_EMAIL_HOST", "")
EMAIL_BACKEND = os.environ.get("COUNTERSIGN_EMAIL_BACKEND", f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'console'}.EmailBackend")
EMAIL_PORT = number("COUNTERSIGN_EMAIL_PORT", 587, low=1, high=65_535)
EMAIL_HOST_USER = os.environ.get("COUNTERSIGN_EMAIL_USER", "")
EMAIL_HOST_PASSWORD = secret("email_password", make=str) if EMAIL_HOST_USER else ""
EMAIL_SECURITY = os.environ.get("COUNTERSIGN_EMAIL_SECURITY", "starttls")
if EMAIL_SECURITY not in {"starttls", "tls", "none"}:
    raise SystemExit(f"COUNTERSIGN_EMAIL_SECURITY={EMAIL_SECURITY!r} is none of starttls, tls, none.")
EMAIL_USE_TLS, EMAIL_USE_SSL = EMAIL_SECURITY == "starttls", EMAIL_SECURITY == "tls"
EMAIL_TIMEOUT = 20
MAIL_FROM = os.environ.get("COUNTERSIGN_EMAIL_FROM", "Countersign <countersign@localhost>")
IS_MAIL_ON = flag("COUNTERSIGN_MAIL", default=bool(EMAIL_HOST or os.environ.get("COUNTERSIGN_EMAIL_BACKEND")))
MAIL_AMOUNTS = flag("COUNTERSIGN_MAIL_AMOUNTS", default=False)
MAIL_DIGEST_HOUR = number("COUNTERSIGN_MAIL_DIGEST_HOUR", 7, low=0, high=23)

# Agents ---------------------------------------------------------------------------------------------------------------
# A ring of keys in a file that every process watches; a key given by value in the environment can't be rotated without a restart.
TOKEN_SIGNING_KEY_FILE = secret_file("token_signing_key", make=new_token_signing_key)
TOKEN_SIGNING_KEY = "" if TOKEN_SIGNING_KEY_FILE else secret("token_signing_key")
TOKEN_SIGNING_KEY_DAYS = number("COUNTERSIGN_TOKEN_SIGNING_KEY_DAYS", 90, low=1, high=3650)
TOKEN_LIFETIME_SECONDS = 300
ASSERTION_LIFETIME_SECONDS = 300
FEDERATED_LIFETIME_SECONDS = number("COUNTERSIGN_FEDERATED_LIFETIME_SECONDS", 3600, low=60, high=86_400)
PROOF_LIFETIME_SECONDS = number("COUNTERSIGN_PROOF_LIFETIME_SECONDS", 60, low=10, high=300)
PROPOSAL_LIFETIME_HOURS = int(os.environ.get("COUNTERSIGN_PROPOSAL_LIFETIME_HOURS", "168"))
# Business days after the one on which a step opened, where the policy's row says nothing else.
STEP_DUE_DAYS = number("COUNTERSIGN_STEP_DUE_DAYS", 2, low=1, high=60)
# Out of a thousand approved proposals, so many are put before a second person who does not see the decision.
REVIEW_SHARE_PERMILLE = number("COUNTERSIGN_REVIEW_SHARE_PERMILLE", 20, low=0, high=1000)
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
# No file is ever written to disk by the web process, and none larger than an attachment is read.
FILE_UPLOAD_HANDLERS = ["approvals.uploads.BoundedUploadHandler"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["identity.authentication.AgentTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["proposals.parsers.CanonicalJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "proposals.problems.problem_response",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Countersign",
    "DESCRIPTION": "Agents propose, people countersign, the ERP commits exactly once, and the evidence holds.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
}

# Outgoing connections (gateway/network.py) -------------------------------------------------------------------------------
OUTBOUND_ALLOW_PUBLIC = allow_list("COUNTERSIGN_OUTBOUND_ALLOW_PUBLIC")
OUTBOUND_ALLOW_PRIVATE = allow_list("COUNTERSIGN_OUTBOUND_ALLOW_PRIVATE")
WEBHOOK_KEY = secret("webhook_key")
OUTBOUND_CA_FILE = os.environ.get("COUNTERSIGN_OUTBOUND_CA_FILE", "")
if OUTBOUND_CA_FILE and not Path(OUTBOUND_CA_FILE).is_file():
    raise SystemExit(f"COUNTERSIGN_OUTBOUND_CA_FILE={OUTBOUND_CA_FILE!r} is no file.")

# Published exchange rates (approvals/matrix/importing.py): a file or an address, empty for none, and whose they are ---------
RATES_URL = os.environ.get("COUNTERSIGN_RATES_URL", "")
RATES_SOURCE = os.environ.get("COUNTERSIGN_RATES_SOURCE", "ECB reference rates")

# How often somebody may knock (limits/): requests and seconds ------------------------------------------------------------
RATE_AGENT = quota("agent", "COUNTERSIGN_RATE_AGENT", "1200/60")
RATE_TOOL = quota("tool", "COUNTERSIGN_RATE_TOOL", "600/60")
RATE_REFUSED = quota("refused", "COUNTERSIGN_RATE_REFUSED", "60/300")
REFUSALS_RECORDED = int(os.environ.get("COUNTERSIGN_REFUSALS_RECORDED", "5"))

# Background work: tasks are wake-ups, domain rows are the truth (docs/architecture.md) ------------------------------------
CLUSTER = os.environ.get("COUNTERSIGN_CLUSTER", "commit")
if CLUSTER not in {"commit", "bulk"}:
    raise SystemExit(f"COUNTERSIGN_CLUSTER={CLUSTER!r} is neither commit nor bulk.")
IS_BULK = CLUSTER == "bulk"
Q_CLUSTER = {
    # The name salts the signature of queued tasks: one for all clusters, or one throws away what another has queued for it.
    "name": "commit",
    "cluster_name": CLUSTER,
    "orm": "default",
    "broker_class": "kernel.queue.SkipLockedBroker",
    "workers": int(os.environ.get("COUNTERSIGN_BULK_WORKERS", "1") if IS_BULK else os.environ.get("COUNTERSIGN_WORKERS", "2")),
    # A task that is killed by its timeout has cost nothing but time; a night over a million documents takes minutes.
    "timeout": 6 * 3600 if IS_BULK else 60,
    "retry": 7 * 3600 if IS_BULK else 300,
    "ack_failures": True,
    "max_attempts": 1,
    "catch_up": False,
    "save_limit": -1,
    "bulk": 10,
    "queue_limit": 20,
    "poll": 0.1,
    "guard_cycle": 0.5,
    "label": "Background work",
}

# Reconciliation: above these amounts it takes two people to close a break; in other currencies it always does -----------------
WRITE_OFF_LIMITS_MINOR = minor_amounts("COUNTERSIGN_WRITE_OFF_LIMITS", "EUR=100.00,USD=100.00")

# Evidence ---------------------------------------------------------------------------------------------------------------
AUDIT_CHECKPOINT_DIR = CHECKPOINTS
EVIDENCE_DIR = EVIDENCE
AUDIT_MAC_KEY = secret("audit_mac_key")
AUDIT_SIGNING_KEY = secret("audit_signing_key", make=new_checkpoint_signing_key)
# What the report's PDF is signed with: a certificate of the firm's own may take the place of the one made here.
AUDIT_REPORT_IDENTITY = secret("audit_report_identity", make=lambda: new_report_identity(INSTALLATION, now()))
# A ring like the one above: a file is read again when it changes, keys by value are fixed until the next start.
AUDIT_PAYLOAD_KEY_FILE = secret_file("audit_payload_key", make=new_payload_key)
AUDIT_PAYLOAD_KEY = "" if AUDIT_PAYLOAD_KEY_FILE else secret("audit_payload_key")
AUDIT_RETENTION_DAYS = int(os.environ.get("COUNTERSIGN_AUDIT_RETENTION_DAYS", "2557"))
AUDIT_RETENTION_FLOOR_DAYS = 183
if AUDIT_RETENTION_DAYS < AUDIT_RETENTION_FLOOR_DAYS:
    raise SystemExit(f"COUNTERSIGN_AUDIT_RETENTION_DAYS={AUDIT_RETENTION_DAYS} is below the floor of {AUDIT_RETENTION_FLOOR_DAYS} days.")
# Where checkpoints go beside the signer's own directory (audit/exporting.py).
AUDIT_EXPORT_DIRECTORIES = checkpoint_places.directories()
AUDIT_EXPORT_MAIL_TO = checkpoint_places.mail_to()
AUDIT_EXPORT_MAIL_SECONDS = checkpoint_places.mail_seconds()
AUDIT_OBJECT_STORE = checkpoint_places.object_store(AUDIT_RETENTION_DAYS)
AUDIT_WITNESSES = checkpoint_places.witnesses()
AUDIT_TIMESTAMP_AUTHORITY = checkpoint_places.timestamp_authority()
AUDIT_CHECKPOINT_SECONDS = number("COUNTERSIGN_CHECKPOINT_SECONDS", 5, low=1, high=5)
AUDIT_HEARTBEAT_SECONDS = number("COUNTERSIGN_HEARTBEAT_SECONDS", 300, low=10, high=3600)
# Where data may go (config/residency.py); nothing is refused while no region is named.
ALLOWED_REGIONS = residency.allowed_regions(os.environ.get("COUNTERSIGN_ALLOWED_REGIONS", ""), REGION)
ENDPOINT_REGIONS = residency.endpoint_regions(os.environ.get("COUNTERSIGN_ENDPOINT_REGIONS", ""))
residency.require_regions(residency.configured_endpoints(globals()), allowed=ALLOWED_REGIONS, places=ENDPOINT_REGIONS, own=REGION)

# The page: no third party, no inline script, no inline style -------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if IS_HTTPS:
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

STATIC_URL = "/static/"
STATIC_ROOT = Path(os.environ.get("COUNTERSIGN_STATIC_ROOT", DATA / "static"))
STATICFILES_DIRS = [PROJECT / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    # A refusal is an answer, not trouble: only defects are logged.
    "loggers": {"django.request": {"level": "ERROR"}},
    "root": {"handlers": ["console"], "level": os.environ.get("COUNTERSIGN_LOG_LEVEL", "WARNING")},
}

__all__ = ["PROCESS", "Process"]
