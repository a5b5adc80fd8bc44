"""The whole way on real processes: one installation started as `make run` starts it, used as people and agents use it."""
