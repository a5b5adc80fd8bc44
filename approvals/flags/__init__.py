"""Flags: what the rules J1-J17 hold against a proposal at submission, and the thresholds they are held against."""
