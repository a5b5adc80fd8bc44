"""The table of the reference endpoint: everybody may insert."""

from __future__ import annotations

CREATE = "CREATE TABLE IF NOT EXISTS bench_bare (id bigserial PRIMARY KEY, body text NOT NULL)"
GRANTS = "GRANT INSERT, SELECT ON bench_bare TO PUBLIC; GRANT USAGE ON SEQUENCE bench_bare_id_seq TO PUBLIC"
