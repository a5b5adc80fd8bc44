"""Django's entry for the wiring: commands that set an installation up and load its sample data."""

from __future__ import annotations

from django.apps import AppConfig


class WiringConfig(AppConfig):
    """Registers the commands of an installation."""

    name = "config"
    verbose_name = "Installation"
