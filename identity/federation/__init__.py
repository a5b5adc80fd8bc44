"""Federated credentials: a workload token of another issuer proves, at the token endpoint only, which agent is asking."""
