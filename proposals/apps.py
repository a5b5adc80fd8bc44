"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class ProposalsConfig(AppConfig):
    """Registers event kinds, wake-ups, the evidence section and the OpenAPI extension."""

    name = "proposals"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make this app's events recordable and its tasks reachable."""
        from audit.bundle_parts import register_section
        from audit.kinds import register_kinds
        from audit.ties import register_tie
        from identity.activity import register_rates, register_stakes
        from kernel.queue import Cluster, on_pulse, on_wake
        from proposals.activity import rates_since, stakes_of
        from proposals.events import ProposalEvent, ReadEvent
        from proposals.evidence import proposal_section
        from proposals.ties import check_read_receipts
        from proposals.webhooks.events import WebhookEvent
        from proposals.webhooks.tasks import is_due

        register_kinds(ProposalEvent)
        register_kinds(ReadEvent)
        register_kinds(WebhookEvent)
        register_section("proposal", proposal_section)
        register_tie("Read receipts are what the log says was read", check_read_receipts)
        register_rates(rates_since)
        register_stakes(stakes_of)
        on_wake("agent_decommissioned", "proposals.tasks.withdraw_of_decommissioned")
        # Deliveries wait for strangers, so they run where no commit waits.
        on_wake("webhook_due", "proposals.webhooks.tasks.deliver", cluster=Cluster.BULK)
        on_pulse(is_due, "proposals.webhooks.tasks.deliver", cluster=Cluster.BULK)
