"""The authority matrix as its controllers work with it: editing, checking, trying, comparing, importing."""
