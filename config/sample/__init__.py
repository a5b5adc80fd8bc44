"""Sample data of the product's own: people, agents, a policy, a few proposals."""
