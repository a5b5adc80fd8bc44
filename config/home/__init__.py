"""The page that everybody's day begins on: what needs me, what changed, a few charts."""
