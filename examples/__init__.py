"""Agents that use Countersign as anybody's agent would: over HTTP, with a key of their own, surviving a kill at any line."""
