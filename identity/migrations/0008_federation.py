"""Trusted issuers, federated credentials, and the foreign tokens that were exchanged."""

from __future__ import annotations

import django.contrib.postgres.fields
import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models

import kernel.ids


class Migration(migrations.Migration):
    dependencies = [
        ("identity", "0007_limits"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
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
                ("created_at", models.DateTimeField()),
                ("activated_at", models.DateTimeField(blank=True, null=True)),
                ("suspended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "activated_by",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "suspended_by",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
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
            ],
        ),
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
                ("history_id", models.AutoField(primary_key=True, serialize=False)),
                ("history_date", models.DateTimeField(db_index=True)),
                ("history_change_reason", models.CharField(max_length=100, null=True)),
                ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
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
                    "history_user",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
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
                ("error", models.CharField(blank=True, default="", help_text="Why the last attempt brought nothing", max_length=500)),
            ],
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
                ("history_id", models.AutoField(primary_key=True, serialize=False)),
                ("history_date", models.DateTimeField(db_index=True)),
                ("history_change_reason", models.CharField(max_length=100, null=True)),
                ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
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
                    "history_user",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
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
            name="ForeignUse",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.BinaryField(help_text="SHA-256 of the token's `jti`, or of the token where it has none")),
                ("key_thumbprint", models.CharField(blank=True, default="", max_length=64)),
                ("expires_at", models.DateTimeField(db_index=True)),
                ("issuer", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="identity.trustedissuer")),
            ],
        ),
        migrations.CreateModel(
            name="FederatedCredential",
            fields=[
                ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("subject", models.CharField(help_text="`sub`, exactly", max_length=600)),
                ("claims", models.JSONField(default=dict, help_text="What must be just so, nested as in the token")),
                ("not_after", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "agent",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="federated_credentials", to="identity.agent"
                    ),
                ),
                (
                    "issued_by",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                ),
                (
                    "issuer",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="credentials", to="identity.trustedissuer"),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="trustedissuer",
            constraint=models.UniqueConstraint(fields=("issuer",), name="identity_issuer_trusted_once"),
        ),
        migrations.AddConstraint(
            model_name="trustedissuer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind__in", ["entra", "aws_sts", "gcp_agent", "gcp_service_account", "kubernetes", "spiffe", "generic"])
                ),
                name="identity_issuer_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="trustedissuer",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["proposed", "active", "suspended"])), name="identity_issuer_state_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="trustedissuer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("issuer", ""), _negated=True),
                    models.Q(("issuer", "kubernetes/serviceaccount"), _negated=True),
                    models.Q(("audience", ""), _negated=True),
                ),
                name="identity_issuer_is_named",
            ),
        ),
        migrations.AddConstraint(
            model_name="trustedissuer",
            constraint=models.CheckConstraint(
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
        ),
        migrations.AddConstraint(
            model_name="trustedissuer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "algorithms__contained_by",
                        ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"],
                    ),
                    ("algorithms__len__gt", 0),
                ),
                name="identity_issuer_algorithms_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="trustedissuer",
            constraint=models.CheckConstraint(
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
        ),
        migrations.AddConstraint(
            model_name="trustedissuer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("activated_by__isnull", True), ("state", "proposed"), ("suspended_by__isnull", True)),
                    models.Q(("activated_at__isnull", False), ("activated_by__isnull", False), ("state", "active")),
                    models.Q(("state", "suspended"), ("suspended_at__isnull", False), ("suspended_by__isnull", False)),
                    _connector="OR",
                ),
                name="identity_issuer_state_has_its_people",
            ),
        ),
        migrations.AddConstraint(
            model_name="trustedissuer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("activated_by__isnull", True), models.Q(("activated_by", models.F("trusted_by")), _negated=True), _connector="OR"
                ),
                name="identity_issuer_activated_by_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="foreignuse",
            constraint=models.UniqueConstraint(fields=("issuer", "digest"), name="identity_foreign_token_used_once"),
        ),
        migrations.AddIndex(
            model_name="federatedcredential",
            index=models.Index(fields=["issuer", "subject"], name="identity_federated_subject"),
        ),
        migrations.AddConstraint(
            model_name="federatedcredential",
            constraint=models.UniqueConstraint(
                condition=models.Q(("revoked_at__isnull", True)),
                fields=("agent", "issuer", "subject"),
                name="identity_federated_subject_once_per_agent",
            ),
        ),
        migrations.AddConstraint(
            model_name="federatedcredential",
            constraint=models.CheckConstraint(
                condition=models.Q(("subject", ""), _negated=True), name="identity_federated_subject_is_named"
            ),
        ),
    ]
