"""The exactly-once engine: claim, send, settle, read back, sweep."""
