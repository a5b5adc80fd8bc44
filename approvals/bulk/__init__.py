"""Approving several proposals of one tool and step by one decision over the set of their digests."""
