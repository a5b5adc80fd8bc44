"""Whether people look before they approve: quality of oversight in numbers, and a blind second review."""
