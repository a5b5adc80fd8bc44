"""Segregation of duties as a graph: who is kept out, through what, and who remains."""
