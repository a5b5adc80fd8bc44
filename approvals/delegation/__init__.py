"""Delegation: one approver decides for another, for some days, within some bounds, and it shows."""
