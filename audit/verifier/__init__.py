"""The stand-alone verifier, and what ships beside it in each bundle."""
