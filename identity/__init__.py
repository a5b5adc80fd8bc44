"""Agents, their keys, grants and tokens; people and their roles."""
