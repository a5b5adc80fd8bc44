"""The gate: policies, routes, segregation of duties, decisions: the approvers' door."""
