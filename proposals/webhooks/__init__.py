"""Webhooks: an agent's runtime is told what became of its proposals, signed as Standard Webhooks."""
