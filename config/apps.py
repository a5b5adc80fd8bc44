"""Django's entry for the wiring: commands that set an installation up and load its sample data."""

from __future__ import annotations

from django.apps import AppConfig


class WiringConfig(AppConfig):
    """Registers the commands of an installation, and switches OpenTelemetry on where it is wanted."""

    name = "config"
    verbose_name = "Installation"

    def ready(self) -> None:
        """Collect spans if the installation says so; the packages for it are imported only then."""
        from django.conf import settings

        if settings.IS_TRACED:
            from config.telemetry import switch_on

            switch_on(settings.INSTALLATION)
