"""What agents want written, and what they read to want it: the agents' door."""
