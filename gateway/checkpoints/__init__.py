"""Places for checkpoints that are reached over HTTP: object store, witness, time-stamp authority."""
