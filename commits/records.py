"""What travels between claim, send and settle: values, not rows, because no row may be held while the ERP is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from commits.states import AttemptOutcome, CommitState
from gateway.port import Json
from gateway.preconditions import Check, Precondition
from kernel.canonical import parse_json
from kernel.errors import NotCanonical

CODE_LENGTH_MAX = 64
DETAIL_LENGTH_MAX = 2000


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a commit may not be sent any more; with `is_void` its proposal ends too."""

    code: str
    reason: str
    is_void: bool


@dataclass(frozen=True, slots=True)
class Claimed:
    """One commit that this worker may send, until its lease ends.

    `attempt_number` is the fence: a settlement that carries an older one is ignored. `deadline` is on the monotonic clock of this
    process, so that a jump of the wall clock never makes a dead lease look alive. `tolerated` are the facts that moved within their
    tolerance, as the check before sending saw them. With `refusal` it may not be sent: an earlier attempt may still be under way, so the
    ERP is told first that nothing may land under its key any more.
    """

    commit_id: UUID
    proposal_id: UUID
    attempt_number: int
    company: str
    tool: str
    reference: str
    request_bytes: bytes = field(repr=False)
    params: Mapping[str, object] = field(repr=False)
    preconditions: tuple[Precondition, ...] = field(repr=False)
    deadline: float
    trace_id: str = field(default="", kw_only=True)
    state: CommitState = CommitState.IN_FLIGHT
    connection: str = ""
    tolerated: tuple[Mapping[str, str], ...] = field(default=(), kw_only=True)
    refusal: Refusal | None = field(default=None, kw_only=True)

    @property
    def is_repeated(self) -> bool:
        """Return whether an earlier attempt may have reached the ERP."""
        return self.attempt_number > 1


def params_of(action_bytes: bytes) -> Mapping[str, object]:
    """Return the parameters of an action; empty where the bytes hold none."""
    try:
        action = parse_json(action_bytes or b"{}")
    except NotCanonical:
        return {}
    params = action.get("params", {}) if isinstance(action, dict) else {}
    return params if isinstance(params, dict) else {}


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one claimed commit, as the worker saw it; `settle` decides whether it still counts.

    `landed` is what was read back and is present exactly when `to` is `succeeded`. `drift` is present when a precondition no longer
    holds: then the proposal is voided, or its approvers are asked again where nothing of it is hard; `checks` are all that were asked, and
    `observed` is what the ERP told for the rules that the new version is held against.
    `draft` names what a refusal left behind in the ERP. `has_answered` is what it tells about the connection: true when the ERP said
    something definite, false when it could not be reached or not understood, None when it tells nothing. `pause_seconds` is how long the
    ERP asked to be left alone.
    """

    claim: Claimed
    to: CommitState
    attempt: AttemptOutcome
    document: str = ""
    answer: Json = field(default_factory=dict)
    landed: Json | None = None
    differences: tuple[Mapping[str, object], ...] = ()
    code: str = ""
    detail: str = ""
    is_retryable: bool = False
    drift: tuple[Mapping[str, str], ...] = ()
    checks: tuple[Check, ...] = field(default=(), repr=False)
    observed: Mapping[str, object] = field(default_factory=dict, repr=False)
    draft: str = ""
    not_before: datetime | None = None
    has_answered: bool | None = None
    pause_seconds: int = 0

    def __post_init__(self) -> None:
        """Make what an ERP said fit to be stored: PostgreSQL takes no NUL, and a code is short."""
        object.__setattr__(self, "code", self.code.replace("\0", "")[:CODE_LENGTH_MAX])
        object.__setattr__(self, "detail", self.detail.replace("\0", "")[:DETAIL_LENGTH_MAX])


@dataclass(slots=True)
class Counts:
    """How many commits one round moved, by where they went."""

    opened: int = 0
    claimed: int = 0
    succeeded: int = 0
    failed: int = 0
    unknown: int = 0
    deferred: int = 0
    ignored: int = 0

    def add(self, other: Counts) -> None:
        """Add the counts of another round to these."""
        self.opened += other.opened
        self.claimed += other.claimed
        self.succeeded += other.succeeded
        self.failed += other.failed
        self.unknown += other.unknown
        self.deferred += other.deferred
        self.ignored += other.ignored

    def __str__(self) -> str:
        """Return one line for operators."""
        return (
            f"opened {self.opened}, claimed {self.claimed}, succeeded {self.succeeded}, failed {self.failed}, "
            f"unknown {self.unknown}, deferred {self.deferred}, ignored {self.ignored}"
        )
