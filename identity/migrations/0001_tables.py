"""The tables of identity: agents, credentials, grants, tokens, issuers, people and their groups."""

from __future__ import annotations

import django.contrib.postgres.fields
import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models

import kernel.ids
from kernel.tables import CreateTables


class Migration(migrations.Migration):
    # Installations from before 0.1.0 have all of these and go on as they are.
    replaces = [
        ("identity", "0001_initial"),
        ("identity", "0002_guards"),
        ("identity", "0003_lifecycle"),
        ("identity", "0004_two_live_keys"),
        ("identity", "0005_token_terms"),
        ("identity", "0006_token_guards"),
        ("identity", "0007_limits"),
        ("identity", "0008_federation"),
        ("identity", "0009_federation_guards"),
        ("identity", "0010_role_expiry"),
        ("identity", "0011_saved_views"),
    ]

    initial = True

    dependencies = [
        ("auth", "__first__"),
    ]

    operations = [
        CreateTables(
            [
                migrations.CreateModel(
                    name="HistoricalTrustedIssuer",
                    fields=[
                        ("id", models.UUIDField(db_index=True, default=kernel.ids.new_id, editable=False)),
                        ("name", models.CharField(db_index=True, max_length=80)),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("entra", "Microsoft Entra Agent ID"),
                                    ("aws_sts", "AWS: STS web identity, AgentCore"),
                                    ("gcp_agent", "Google Cloud: agent identity"),
                                    ("gcp_service_account", "Google Cloud: service account"),
                                    ("kubernetes", "Kubernetes: projected service account"),
                                    ("spiffe", "SPIFFE: JWT-SVID"),
                                    ("generic", "Another OpenID Connect issuer"),
                                ],
                                max_length=20,
                            ),
                        ),
                        ("issuer", models.CharField(help_text="`iss`, exactly; the trust domain for SPIFFE", max_length=500)),
                        (
                            "companies",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=12), help_text="Agents of these companies may rest on it", size=None
                            ),
                        ),
                        ("audience", models.CharField(help_text="`aud`, exactly: the only one its tokens may have", max_length=255)),
                        ("algorithms", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=8), size=None)),
                        (
                            "keys_from",
                            models.CharField(
                                choices=[
                                    ("jwks_uri", "An address of its keys (JWKS)"),
                                    ("discovery", "Its OpenID Connect discovery document"),
                                    ("pinned", "Pinned: the keys entered here, never fetched"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("keys_url", models.CharField(blank=True, default="", max_length=500)),
                        ("pinned_keys", models.JSONField(blank=True, default=list, help_text="Public JWKs")),
                        (
                            "state",
                            models.CharField(
                                choices=[("proposed", "Waits for a second person"), ("active", "Active"), ("suspended", "Suspended")],
                                default="proposed",
                                max_length=10,
                            ),
                        ),
                        ("created_at", models.DateTimeField()),
                        ("activated_at", models.DateTimeField(blank=True, null=True)),
                        ("suspended_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "trusted_by",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                help_text="Who entered it",
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "activated_by",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "suspended_by",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("history_id", models.AutoField(primary_key=True, serialize=False)),
                        ("history_date", models.DateTimeField(db_index=True)),
                        ("history_change_reason", models.CharField(max_length=100, null=True)),
                        ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
                        (
                            "history_user",
                            models.ForeignKey(
                                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "historical trusted issuer",
                        "verbose_name_plural": "historical trusted issuers",
                        "ordering": ("-history_date", "-history_id"),
                        "get_latest_by": ("history_date", "history_id"),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name="TrustedIssuer",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        ("name", models.CharField(max_length=80, unique=True)),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("entra", "Microsoft Entra Agent ID"),
                                    ("aws_sts", "AWS: STS web identity, AgentCore"),
                                    ("gcp_agent", "Google Cloud: agent identity"),
                                    ("gcp_service_account", "Google Cloud: service account"),
                                    ("kubernetes", "Kubernetes: projected service account"),
                                    ("spiffe", "SPIFFE: JWT-SVID"),
                                    ("generic", "Another OpenID Connect issuer"),
                                ],
                                max_length=20,
                            ),
                        ),
                        ("issuer", models.CharField(help_text="`iss`, exactly; the trust domain for SPIFFE", max_length=500)),
                        (
                            "companies",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=12), help_text="Agents of these companies may rest on it", size=None
                            ),
                        ),
                        ("audience", models.CharField(help_text="`aud`, exactly: the only one its tokens may have", max_length=255)),
                        ("algorithms", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=8), size=None)),
                        (
                            "keys_from",
                            models.CharField(
                                choices=[
                                    ("jwks_uri", "An address of its keys (JWKS)"),
                                    ("discovery", "Its OpenID Connect discovery document"),
                                    ("pinned", "Pinned: the keys entered here, never fetched"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("keys_url", models.CharField(blank=True, default="", max_length=500)),
                        ("pinned_keys", models.JSONField(blank=True, default=list, help_text="Public JWKs")),
                        (
                            "state",
                            models.CharField(
                                choices=[("proposed", "Waits for a second person"), ("active", "Active"), ("suspended", "Suspended")],
                                default="proposed",
                                max_length=10,
                            ),
                        ),
                        (
                            "trusted_by",
                            models.ForeignKey(
                                help_text="Who entered it",
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("created_at", models.DateTimeField()),
                        (
                            "activated_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("activated_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "suspended_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("suspended_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("issuer",), name="identity_issuer_trusted_once"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "kind__in",
                                        ["entra", "aws_sts", "gcp_agent", "gcp_service_account", "kubernetes", "spiffe", "generic"],
                                    )
                                ),
                                name="identity_issuer_kind_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["proposed", "active", "suspended"])), name="identity_issuer_state_known"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("issuer", ""), _negated=True),
                                    models.Q(("issuer", "kubernetes/serviceaccount"), _negated=True),
                                    models.Q(("audience", ""), _negated=True),
                                ),
                                name="identity_issuer_is_named",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("kind", "kubernetes"), _negated=True),
                                    models.Q(
                                        models.Q(
                                            (
                                                "audience__in",
                                                (
                                                    "https://kubernetes.default.svc",
                                                    "https://kubernetes.default.svc.cluster.local",
                                                    "https://kubernetes.default",
                                                    "kubernetes.default.svc",
                                                    "kubernetes",
                                                    "api",
                                                ),
                                            ),
                                            _negated=True,
                                        ),
                                        models.Q(("audience", models.F("issuer")), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="identity_issuer_audience_is_ours",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "algorithms__contained_by",
                                        ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"],
                                    ),
                                    ("algorithms__len__gt", 0),
                                ),
                                name="identity_issuer_algorithms_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("keys_from", "pinned"), ("keys_url", ""), models.Q(("pinned_keys", []), _negated=True)),
                                    models.Q(
                                        ("keys_from__in", ["jwks_uri", "discovery"]),
                                        ("keys_url__regex", "^(https://|http://(127\\.0\\.0\\.1|localhost|\\[::1\\])[:/])"),
                                        ("pinned_keys", []),
                                    ),
                                    _connector="OR",
                                ),
                                name="identity_issuer_keys_come_from",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("activated_by__isnull", True), ("state", "proposed"), ("suspended_by__isnull", True)),
                                    models.Q(("activated_at__isnull", False), ("activated_by__isnull", False), ("state", "active")),
                                    models.Q(("state", "suspended"), ("suspended_at__isnull", False), ("suspended_by__isnull", False)),
                                    _connector="OR",
                                ),
                                name="identity_issuer_state_has_its_people",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("activated_by__isnull", True),
                                    models.Q(("activated_by", models.F("trusted_by")), _negated=True),
                                    _connector="OR",
                                ),
                                name="identity_issuer_activated_by_another",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="IssuerKeys",
                    fields=[
                        (
                            "issuer",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="fetched",
                                serialize=False,
                                to="identity.trustedissuer",
                            ),
                        ),
                        ("keys", models.JSONField(default=list, help_text="Public JWKs")),
                        ("fetched_at", models.DateTimeField(blank=True, null=True)),
                        ("tried_at", models.DateTimeField(blank=True, help_text="Nobody tries again too soon after this", null=True)),
                        (
                            "error",
                            models.CharField(blank=True, default="", help_text="Why the last attempt brought nothing", max_length=500),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="Agent",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        ("name", models.CharField(max_length=80, unique=True)),
                        ("purpose", models.TextField()),
                        ("runtime", models.CharField(help_text="Where it runs", max_length=120)),
                        (
                            "owner",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="owned_agents", to=settings.AUTH_USER_MODEL
                            ),
                        ),
                        (
                            "sponsor",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="sponsored_agents", to=settings.AUTH_USER_MODEL
                            ),
                        ),
                        ("companies", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=12), size=None)),
                        ("model", models.CharField(help_text="Model as declared by its owner", max_length=80)),
                        ("model_version", models.CharField(blank=True, max_length=80)),
                        (
                            "acts_for",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.BigIntegerField(),
                                blank=True,
                                default=list,
                                help_text="The people it may name as having asked",
                                size=None,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("draft", "Draft"),
                                    ("active", "Active"),
                                    ("suspended", "Suspended"),
                                    ("decommissioned", "Decommissioned"),
                                ],
                                default="draft",
                                max_length=20,
                            ),
                        ),
                        ("expires_on", models.DateField(help_text="Review date: past it the agent is suspended until its owner renews")),
                        (
                            "created_by",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        (
                            "last_edited_by",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("created_at", models.DateTimeField()),
                        ("suspended_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "suspended_because",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("person", "A person suspended it"),
                                    ("review_overdue", "Its review date has passed"),
                                    ("unaccountable", "Its owner or sponsor can no longer answer for it"),
                                ],
                                default="",
                                max_length=20,
                            ),
                        ),
                        ("decommissioned_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "token_binding",
                            models.CharField(
                                choices=[("dpop", "DPoP: bound to a key"), ("bearer", "Bearer: whoever holds the token may use it")],
                                default="dpop",
                                max_length=6,
                            ),
                        ),
                        (
                            "token_shape",
                            models.CharField(
                                choices=[("single", "One action with one tool in one company"), ("set", "Several actions in one token")],
                                default="single",
                                max_length=6,
                            ),
                        ),
                        (
                            "is_strict",
                            models.BooleanField(default=False, help_text="Its proofs must cover the request's body (content_digest)"),
                        ),
                        (
                            "default_details",
                            models.JSONField(blank=True, default=list, help_text="What its token is for when it does not say"),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["draft", "active", "suspended", "decommissioned"])),
                                name="identity_agent_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("decommissioned_at__isnull", False), ("state", "decommissioned")),
                                    models.Q(models.Q(("state", "decommissioned"), _negated=True), ("decommissioned_at__isnull", True)),
                                    _connector="OR",
                                ),
                                name="identity_agent_decommissioned_at_matches",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("token_binding__in", ["dpop", "bearer"])), name="identity_agent_token_binding_known"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("token_shape__in", ["single", "set"])), name="identity_agent_token_shape_known"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("is_strict", False), ("token_binding", "dpop"), _connector="OR"),
                                name="identity_agent_strict_has_proofs",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("owner", models.F("sponsor")), _negated=True),
                                name="identity_agent_owner_is_not_sponsor",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("state", "suspended"),
                                        ("suspended_at__isnull", False),
                                        ("suspended_because__in", ["person", "review_overdue", "unaccountable"]),
                                    ),
                                    models.Q(("state__in", ["draft", "active"]), ("suspended_at__isnull", True), ("suspended_because", "")),
                                    ("state", "decommissioned"),
                                    _connector="OR",
                                ),
                                name="identity_agent_suspension_matches",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="HistoricalFederatedCredential",
                    fields=[
                        ("id", models.UUIDField(db_index=True, default=kernel.ids.new_id, editable=False)),
                        ("subject", models.CharField(help_text="`sub`, exactly", max_length=600)),
                        ("claims", models.JSONField(default=dict, help_text="What must be just so, nested as in the token")),
                        ("not_after", models.DateTimeField()),
                        ("created_at", models.DateTimeField()),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "agent",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to="identity.agent",
                            ),
                        ),
                        (
                            "issuer",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to="identity.trustedissuer",
                            ),
                        ),
                        (
                            "issued_by",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("history_id", models.AutoField(primary_key=True, serialize=False)),
                        ("history_date", models.DateTimeField(db_index=True)),
                        ("history_change_reason", models.CharField(max_length=100, null=True)),
                        ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
                        (
                            "history_user",
                            models.ForeignKey(
                                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "historical federated credential",
                        "verbose_name_plural": "historical federated credentials",
                        "ordering": ("-history_date", "-history_id"),
                        "get_latest_by": ("history_date", "history_id"),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name="FederatedCredential",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "agent",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="federated_credentials", to="identity.agent"
                            ),
                        ),
                        (
                            "issuer",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="credentials", to="identity.trustedissuer"
                            ),
                        ),
                        ("subject", models.CharField(help_text="`sub`, exactly", max_length=600)),
                        ("claims", models.JSONField(default=dict, help_text="What must be just so, nested as in the token")),
                        ("not_after", models.DateTimeField()),
                        (
                            "issued_by",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("created_at", models.DateTimeField()),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                        ("last_used_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "indexes": [models.Index(fields=["issuer", "subject"], name="identity_federated_subject")],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("revoked_at__isnull", True)),
                                fields=("agent", "issuer", "subject"),
                                name="identity_federated_subject_once_per_agent",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("subject", ""), _negated=True), name="identity_federated_subject_is_named"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ForeignUse",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("issuer", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="identity.trustedissuer")),
                        ("digest", models.BinaryField(help_text="SHA-256 of the token's `jti`, or of the token where it has none")),
                        ("key_thumbprint", models.CharField(blank=True, default="", max_length=64)),
                        ("expires_at", models.DateTimeField(db_index=True)),
                    ],
                    options={
                        "constraints": [models.UniqueConstraint(fields=("issuer", "digest"), name="identity_foreign_token_used_once")],
                    },
                ),
                migrations.CreateModel(
                    name="RateCounter",
                    fields=[
                        ("key", models.CharField(max_length=160, primary_key=True, serialize=False)),
                        ("full_at", models.DateTimeField(help_text="When nothing of the quota will be used any more")),
                        ("is_allowed", models.BooleanField(help_text="What the last one who asked was told")),
                    ],
                ),
                migrations.CreateModel(
                    name="RefusalCount",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("source", models.CharField(help_text="An address, an agent, or * for many sources at once", max_length=120)),
                        ("kind", models.CharField(max_length=80)),
                        ("code", models.CharField(max_length=80)),
                        ("window_start", models.DateTimeField()),
                        ("window_end", models.DateTimeField(db_index=True)),
                        ("count", models.PositiveIntegerField()),
                        ("recorded", models.PositiveIntegerField(help_text="How many of them have an event of their own")),
                        ("actor_kind", models.CharField(max_length=10)),
                        ("actor_id", models.CharField(max_length=80)),
                        ("subject_kind", models.CharField(max_length=40)),
                        ("subject_id", models.CharField(max_length=80)),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("source", "kind", "code", "window_start"), name="identity_refusals_one_count_per_window"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("window_end__gt", models.F("window_start"))), name="identity_refusals_window_has_length"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SavedView",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, related_name="saved_views", to=settings.AUTH_USER_MODEL
                            ),
                        ),
                        ("path", models.CharField(help_text="Address of the list", max_length=120)),
                        ("query", models.CharField(blank=True, help_text="Its filters, as they stand in the address", max_length=500)),
                        ("title", models.CharField(max_length=40)),
                        ("created_at", models.DateTimeField()),
                    ],
                    options={
                        "ordering": ["title"],
                        "constraints": [
                            models.UniqueConstraint(fields=("user", "path", "title"), name="identity_view_title_once_per_list"),
                            models.CheckConstraint(condition=models.Q(("title", ""), _negated=True), name="identity_view_has_title"),
                            models.CheckConstraint(condition=models.Q(("path__startswith", "/")), name="identity_view_is_of_this_console"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="HistoricalRoleAssignment",
                    fields=[
                        ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                        (
                            "role",
                            models.CharField(
                                choices=[
                                    ("approver", "Approver"),
                                    ("controller", "Controller"),
                                    ("agent_owner", "Agent owner"),
                                    ("operator", "Operator"),
                                    ("auditor", "Auditor"),
                                    ("administrator", "Administrator"),
                                ],
                                max_length=20,
                            ),
                        ),
                        (
                            "companies",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=12), help_text="Company codes, e.g. DE01", size=None
                            ),
                        ),
                        (
                            "expires_on",
                            models.DateField(
                                blank=True, help_text="An auditor's last day, in UTC; empty: until it is taken back", null=True
                            ),
                        ),
                        ("created_at", models.DateTimeField()),
                        (
                            "user",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("history_id", models.AutoField(primary_key=True, serialize=False)),
                        ("history_date", models.DateTimeField(db_index=True)),
                        ("history_change_reason", models.CharField(max_length=100, null=True)),
                        ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
                        (
                            "history_user",
                            models.ForeignKey(
                                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "historical role assignment",
                        "verbose_name_plural": "historical role assignments",
                        "ordering": ("-history_date", "-history_id"),
                        "get_latest_by": ("history_date", "history_id"),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name="RoleAssignment",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="role_assignments", to=settings.AUTH_USER_MODEL
                            ),
                        ),
                        (
                            "role",
                            models.CharField(
                                choices=[
                                    ("approver", "Approver"),
                                    ("controller", "Controller"),
                                    ("agent_owner", "Agent owner"),
                                    ("operator", "Operator"),
                                    ("auditor", "Auditor"),
                                    ("administrator", "Administrator"),
                                ],
                                max_length=20,
                            ),
                        ),
                        (
                            "companies",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=12), help_text="Company codes, e.g. DE01", size=None
                            ),
                        ),
                        (
                            "expires_on",
                            models.DateField(
                                blank=True, help_text="An auditor's last day, in UTC; empty: until it is taken back", null=True
                            ),
                        ),
                        ("created_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("user", "role"), name="identity_role_once_per_person"),
                            models.CheckConstraint(
                                condition=models.Q(("expires_on__isnull", True), ("role", "auditor"), _connector="OR"),
                                name="identity_only_auditors_expire",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("role__in", ["approver", "controller", "agent_owner", "operator", "auditor", "administrator"])
                                ),
                                name="identity_role_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ApprovalGroup",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("code", models.SlugField(unique=True)),
                        ("title", models.CharField(max_length=80)),
                    ],
                ),
                migrations.CreateModel(
                    name="HistoricalApprovalGroupMember",
                    fields=[
                        ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                        ("companies", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=12), size=None)),
                        ("limit_minor", models.BigIntegerField(blank=True, null=True)),
                        ("limit_currency", models.CharField(blank=True, default="", max_length=3)),
                        (
                            "group",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to="identity.approvalgroup",
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("history_id", models.AutoField(primary_key=True, serialize=False)),
                        ("history_date", models.DateTimeField(db_index=True)),
                        ("history_change_reason", models.CharField(max_length=100, null=True)),
                        ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
                        (
                            "history_user",
                            models.ForeignKey(
                                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "historical approval group member",
                        "verbose_name_plural": "historical approval group members",
                        "ordering": ("-history_date", "-history_id"),
                        "get_latest_by": ("history_date", "history_id"),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name="ApprovalGroupMember",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "group",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, related_name="members", to="identity.approvalgroup"
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="approval_memberships",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("companies", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=12), size=None)),
                        ("limit_minor", models.BigIntegerField(blank=True, null=True)),
                        ("limit_currency", models.CharField(blank=True, default="", max_length=3)),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("group", "user"), name="identity_member_once_per_group"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("limit_currency", ""), ("limit_minor__isnull", True)),
                                    models.Q(
                                        ("limit_currency__regex", "^[A-Z]{3}$"), ("limit_minor__gte", 0), ("limit_minor__isnull", False)
                                    ),
                                    _connector="OR",
                                ),
                                name="identity_member_limit_has_currency",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="HistoricalAgent",
                    fields=[
                        ("id", models.UUIDField(db_index=True, default=kernel.ids.new_id, editable=False)),
                        ("name", models.CharField(db_index=True, max_length=80)),
                        ("purpose", models.TextField()),
                        ("runtime", models.CharField(help_text="Where it runs", max_length=120)),
                        ("companies", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=12), size=None)),
                        ("model", models.CharField(help_text="Model as declared by its owner", max_length=80)),
                        ("model_version", models.CharField(blank=True, max_length=80)),
                        (
                            "acts_for",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.BigIntegerField(),
                                blank=True,
                                default=list,
                                help_text="The people it may name as having asked",
                                size=None,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("draft", "Draft"),
                                    ("active", "Active"),
                                    ("suspended", "Suspended"),
                                    ("decommissioned", "Decommissioned"),
                                ],
                                default="draft",
                                max_length=20,
                            ),
                        ),
                        ("expires_on", models.DateField(help_text="Review date: past it the agent is suspended until its owner renews")),
                        ("created_at", models.DateTimeField()),
                        ("suspended_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "suspended_because",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("person", "A person suspended it"),
                                    ("review_overdue", "Its review date has passed"),
                                    ("unaccountable", "Its owner or sponsor can no longer answer for it"),
                                ],
                                default="",
                                max_length=20,
                            ),
                        ),
                        ("decommissioned_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "token_binding",
                            models.CharField(
                                choices=[("dpop", "DPoP: bound to a key"), ("bearer", "Bearer: whoever holds the token may use it")],
                                default="dpop",
                                max_length=6,
                            ),
                        ),
                        (
                            "token_shape",
                            models.CharField(
                                choices=[("single", "One action with one tool in one company"), ("set", "Several actions in one token")],
                                default="single",
                                max_length=6,
                            ),
                        ),
                        (
                            "is_strict",
                            models.BooleanField(default=False, help_text="Its proofs must cover the request's body (content_digest)"),
                        ),
                        (
                            "default_details",
                            models.JSONField(blank=True, default=list, help_text="What its token is for when it does not say"),
                        ),
                        (
                            "owner",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "sponsor",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "last_edited_by",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("history_id", models.AutoField(primary_key=True, serialize=False)),
                        ("history_date", models.DateTimeField(db_index=True)),
                        ("history_change_reason", models.CharField(max_length=100, null=True)),
                        ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
                        (
                            "history_user",
                            models.ForeignKey(
                                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "historical agent",
                        "verbose_name_plural": "historical agents",
                        "ordering": ("-history_date", "-history_id"),
                        "get_latest_by": ("history_date", "history_id"),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name="HistoricalCredential",
                    fields=[
                        ("id", models.UUIDField(db_index=True, default=kernel.ids.new_id, editable=False)),
                        ("jwk", models.JSONField(help_text="Public JWK: its required members only")),
                        ("thumbprint", models.CharField(db_index=True, help_text="RFC 7638, base64url", max_length=64)),
                        ("algorithm", models.CharField(max_length=8)),
                        ("not_after", models.DateTimeField()),
                        ("created_at", models.DateTimeField()),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "agent",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to="identity.agent",
                            ),
                        ),
                        (
                            "issued_by",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("history_id", models.AutoField(primary_key=True, serialize=False)),
                        ("history_date", models.DateTimeField(db_index=True)),
                        ("history_change_reason", models.CharField(max_length=100, null=True)),
                        ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
                        (
                            "history_user",
                            models.ForeignKey(
                                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "historical credential",
                        "verbose_name_plural": "historical credentials",
                        "ordering": ("-history_date", "-history_id"),
                        "get_latest_by": ("history_date", "history_id"),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name="Credential",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "agent",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="credentials", to="identity.agent"),
                        ),
                        ("jwk", models.JSONField(help_text="Public JWK: its required members only")),
                        ("thumbprint", models.CharField(help_text="RFC 7638, base64url", max_length=64, unique=True)),
                        ("algorithm", models.CharField(max_length=8)),
                        ("not_after", models.DateTimeField()),
                        (
                            "issued_by",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("created_at", models.DateTimeField()),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                        ("last_used_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("algorithm__in", ["ES256", "EdDSA", "RS256", "PS256"])),
                                name="identity_credential_algorithm_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("jwk__has_key", "d"), _negated=True), name="identity_credential_is_public"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="HistoricalGrant",
                    fields=[
                        ("id", models.UUIDField(db_index=True, default=kernel.ids.new_id, editable=False)),
                        ("tool", models.CharField(max_length=64)),
                        ("tool_kind", models.CharField(choices=[("read", "Read"), ("write", "Write")], max_length=5)),
                        ("risk", models.CharField(max_length=10)),
                        (
                            "state",
                            models.CharField(
                                choices=[("log_only", "Log only"), ("active", "Active"), ("revoked", "Revoked")],
                                default="log_only",
                                max_length=10,
                            ),
                        ),
                        ("companies", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=12), size=None)),
                        (
                            "vendors",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=40), blank=True, default=list, size=None
                            ),
                        ),
                        (
                            "accounts",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=40), blank=True, default=list, size=None
                            ),
                        ),
                        (
                            "cost_centres",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=40), blank=True, default=list, size=None
                            ),
                        ),
                        ("currency", models.CharField(blank=True, default="", max_length=3)),
                        ("ceiling_minor", models.BigIntegerField(blank=True, help_text="Per write", null=True)),
                        ("ceiling_day_minor", models.BigIntegerField(blank=True, help_text="Rolling 24 hours", null=True)),
                        ("ceiling_30_days_minor", models.BigIntegerField(blank=True, help_text="Rolling 30 days", null=True)),
                        ("count_per_hour", models.PositiveIntegerField(blank=True, null=True)),
                        ("valid_from", models.DateTimeField()),
                        ("valid_until", models.DateTimeField()),
                        ("created_at", models.DateTimeField()),
                        ("activated_at", models.DateTimeField(blank=True, null=True)),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "agent",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to="identity.agent",
                            ),
                        ),
                        (
                            "issued_by",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "activated_by",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                help_text="Who let a write grant out of log-only",
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("history_id", models.AutoField(primary_key=True, serialize=False)),
                        ("history_date", models.DateTimeField(db_index=True)),
                        ("history_change_reason", models.CharField(max_length=100, null=True)),
                        ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
                        (
                            "history_user",
                            models.ForeignKey(
                                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "historical grant",
                        "verbose_name_plural": "historical grants",
                        "ordering": ("-history_date", "-history_id"),
                        "get_latest_by": ("history_date", "history_id"),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name="Grant",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "agent",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="grants", to="identity.agent"),
                        ),
                        ("tool", models.CharField(max_length=64)),
                        ("tool_kind", models.CharField(choices=[("read", "Read"), ("write", "Write")], max_length=5)),
                        ("risk", models.CharField(max_length=10)),
                        (
                            "state",
                            models.CharField(
                                choices=[("log_only", "Log only"), ("active", "Active"), ("revoked", "Revoked")],
                                default="log_only",
                                max_length=10,
                            ),
                        ),
                        ("companies", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=12), size=None)),
                        (
                            "vendors",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=40), blank=True, default=list, size=None
                            ),
                        ),
                        (
                            "accounts",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=40), blank=True, default=list, size=None
                            ),
                        ),
                        (
                            "cost_centres",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=40), blank=True, default=list, size=None
                            ),
                        ),
                        ("currency", models.CharField(blank=True, default="", max_length=3)),
                        ("ceiling_minor", models.BigIntegerField(blank=True, help_text="Per write", null=True)),
                        ("ceiling_day_minor", models.BigIntegerField(blank=True, help_text="Rolling 24 hours", null=True)),
                        ("ceiling_30_days_minor", models.BigIntegerField(blank=True, help_text="Rolling 30 days", null=True)),
                        ("count_per_hour", models.PositiveIntegerField(blank=True, null=True)),
                        ("valid_from", models.DateTimeField()),
                        ("valid_until", models.DateTimeField()),
                        (
                            "issued_by",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("created_at", models.DateTimeField()),
                        (
                            "activated_by",
                            models.ForeignKey(
                                blank=True,
                                help_text="Who let a write grant out of log-only",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("activated_at", models.DateTimeField(blank=True, null=True)),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state", "revoked"), _negated=True),
                                fields=("agent", "tool"),
                                name="identity_one_open_grant_per_tool",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["log_only", "active", "revoked"])), name="identity_grant_state_known"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("risk", "privileged"), _negated=True),
                                    models.Q(("tool__in", ("change_vendor_bank_account", "close_period", "open_period")), _negated=True),
                                ),
                                name="identity_grant_never_privileged",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("tool_kind", "read"),
                                    models.Q(
                                        ("ceiling_30_days_minor__gte", 0),
                                        ("ceiling_30_days_minor__isnull", False),
                                        ("ceiling_day_minor__gte", 0),
                                        ("ceiling_day_minor__isnull", False),
                                        ("ceiling_minor__gte", 0),
                                        ("ceiling_minor__isnull", False),
                                        ("count_per_hour__gte", 0),
                                        ("count_per_hour__isnull", False),
                                        ("currency__regex", "^[A-Z]{3}$"),
                                    ),
                                    _connector="OR",
                                ),
                                name="identity_write_grant_is_bounded",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("revoked_at__isnull", False), ("state", "revoked")),
                                    models.Q(models.Q(("state", "revoked"), _negated=True), ("revoked_at__isnull", True)),
                                    _connector="OR",
                                ),
                                name="identity_grant_revoked_at_matches",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "active"), _negated=True),
                                    ("tool_kind", "read"),
                                    ("activated_by__isnull", False),
                                    _connector="OR",
                                ),
                                name="identity_active_write_was_activated",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AssertionUse",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("agent", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="identity.agent")),
                        ("jti", models.CharField(max_length=128)),
                        ("expires_at", models.DateTimeField(db_index=True)),
                    ],
                    options={
                        "constraints": [models.UniqueConstraint(fields=("agent", "jti"), name="identity_assertion_used_once")],
                    },
                ),
                migrations.CreateModel(
                    name="ProofUse",
                    fields=[
                        (
                            "digest",
                            models.BinaryField(
                                help_text="SHA-256 over the key's thumbprint and the proof's jti", primary_key=True, serialize=False
                            ),
                        ),
                        ("expires_at", models.DateTimeField(db_index=True)),
                    ],
                ),
                migrations.CreateModel(
                    name="RevokedToken",
                    fields=[
                        ("token_id", models.UUIDField(primary_key=True, serialize=False)),
                        ("agent", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="identity.agent")),
                        ("expires_at", models.DateTimeField(db_index=True)),
                    ],
                ),
            ]
        ),
    ]
