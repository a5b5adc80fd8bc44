"""The evidence: append-only events, their sealing, signed checkpoints, the verifier, bundles."""
