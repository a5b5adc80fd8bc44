"""audit_sealer, audit_verify, evidence_bundle."""
