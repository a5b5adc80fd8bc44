"""What every app stands on: canonical bytes, money, ids, time, errors, transitions, the queue. Knows no domain."""
