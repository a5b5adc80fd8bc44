"""What the pages about proposals and policies show: facts, checks and states as finished texts."""
