"""The standing job: what was intended against what landed, breaks, compensation."""
