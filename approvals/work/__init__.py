"""The approvers' daily work around a decision: claim, forward, return, snooze, and who is looking."""
