"""Composing evidence: tables of bundles, the auditor's report, and the bundles that people ask for."""
