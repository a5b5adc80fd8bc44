"""How long evidence is kept, what stops its destruction, and how a payload is destroyed without breaking the chain."""
