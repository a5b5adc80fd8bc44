"""How often somebody may knock: quotas across all processes, and refusals that are counted instead of flooding the evidence."""
