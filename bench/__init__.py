"""Measurements as ratios within one run: what Countersign does beside what the machine can do at that moment."""
