"""Wiring: settings, doors, processes, set-up. The one package that imports everything."""
