"""What changes trusted issuers and federated credentials, and what exchanges a foreign token."""
