"""People who sign in at their organisation's identity provider."""
