"""How an agent's tokens are bound and shaped, and which proofs and tokens are spent.

An agent that was registered before keeps the plain Bearer tokens its client knows, as the downgrade that this now is.
"""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

BINDINGS = [("dpop", "DPoP: bound to a key"), ("bearer", "Bearer: whoever holds the token may use it")]
SHAPES = [("single", "One action with one tool in one company"), ("set", "Several actions in one token")]
STRICT_HELP = "Its proofs must cover the request's body (content_digest)"
DEFAULT_HELP = "What its token is for when it does not say"


def fields(model: str) -> list[migrations.operations.base.Operation]:
    """Return the operations that add the four fields to an agent, or to its history."""
    return [
        migrations.AddField(model, "token_binding", models.CharField(max_length=6, choices=BINDINGS, default="bearer")),
        migrations.AlterField(model, "token_binding", models.CharField(max_length=6, choices=BINDINGS, default="dpop")),
        migrations.AddField(model, "token_shape", models.CharField(max_length=6, choices=SHAPES, default="single")),
        migrations.AddField(model, "is_strict", models.BooleanField(default=False, help_text=STRICT_HELP)),
        migrations.AddField(model, "default_details", models.JSONField(default=list, blank=True, help_text=DEFAULT_HELP)),
    ]


class Migration(migrations.Migration):
    dependencies = [("identity", "0004_two_live_keys")]

    operations = [
        *fields("agent"),
        *fields("historicalagent"),
        migrations.AddConstraint(
            "agent",
            models.CheckConstraint(condition=Q(token_binding__in=["dpop", "bearer"]), name="identity_agent_token_binding_known"),
        ),
        migrations.AddConstraint(
            "agent",
            models.CheckConstraint(condition=Q(token_shape__in=["single", "set"]), name="identity_agent_token_shape_known"),
        ),
        migrations.AddConstraint(
            "agent",
            models.CheckConstraint(condition=Q(is_strict=False) | Q(("token_binding", "dpop")), name="identity_agent_strict_has_proofs"),
        ),
        migrations.CreateModel(
            name="ProofUse",
            fields=[
                (
                    "digest",
                    models.BinaryField(
                        primary_key=True, serialize=False, help_text="SHA-256 over the key's thumbprint and the proof's jti"
                    ),
                ),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="RevokedToken",
            fields=[
                ("token_id", models.UUIDField(primary_key=True, serialize=False)),
                ("expires_at", models.DateTimeField(db_index=True)),
                ("agent", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="identity.agent")),
            ],
        ),
    ]
