"""Tokens: what an agent signs to get one, what it may ask for, what it gets, and how that is verified."""
