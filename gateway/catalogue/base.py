"""What a tool is: a named, versioned, schema'd operation of the ERP, and for a write what it means to the people who decide."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from gateway import facts
from gateway.catalogue.comparison import Difference, differences
from gateway.catalogue.presentation import Presented
from gateway.catalogue.validation import validated
from gateway.port import Connector
from kernel.errors import FieldError, ValidationFailed
from kernel.money import Money


class ToolKind(StrEnum):
    """Whether a tool only reads or intends a write."""

    READ = "read"
    WRITE = "write"


class Risk(StrEnum):
    """How much harm a wrong use can do; `privileged` can't be granted to an agent by anybody."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    PRIVILEGED = "privileged"


@dataclass(frozen=True, slots=True)
class Effect:
    """What a write does, as grants and routing look at it.

    `counterparty_kind` says what the counterparty is a number of (vendor, customer, item), so that a token for vendor 1580 is none for
    customer 1580; empty where it is none of these.
    """

    amount: Money
    counterparty: str
    cost_centre: str
    effective_on: date
    accounts: tuple[str, ...]
    reference: str
    counterparty_kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One operation of the catalogue. `description` is read by language models: units, formats, what comes back."""

    name: str
    version: int
    title: str
    description: str
    kind: ToolKind
    risk: Risk
    input_model: type[BaseModel]
    output_model: type[BaseModel]
    is_reversible: bool = True
    compensation: str = ""
    is_sensitive: bool = False

    @property
    def prefix(self) -> str:
        """Return where the input stands in a request: /payload of a proposal, /arguments of a read."""
        return "/payload" if self.kind is ToolKind.WRITE else "/arguments"

    @property
    def is_grantable(self) -> bool:
        """Return whether an agent may ever be granted this tool."""
        return self.risk is not Risk.PRIVILEGED

    def validate(self, arguments: Mapping[str, object]) -> BaseModel:
        """Return the input as a model; raises ValidationFailed with JSON pointers and what would be acceptable."""
        return validated(self.input_model, arguments, prefix=self.prefix)

    def canonical(self, value: BaseModel) -> dict[str, Any]:
        """Return the input after validation and defaults, ready for canonical bytes; absent fields are dropped."""
        return value.model_dump(exclude_none=True)

    def input_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the input."""
        return self.input_model.model_json_schema()

    def output_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what comes back: a read's result, a write's landed document."""
        return self.output_model.model_json_schema()


Payload = TypeVar("Payload", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteTool(Tool, ABC, Generic[Payload]):
    """A write: what it means, how it is shown, what is compared when it has landed, and how it is undone."""

    kind: ToolKind = ToolKind.WRITE

    @property
    def is_dated(self) -> bool:
        """Return whether the payload says on which date it counts; a write without one counts on the day on which it lands."""
        return not {"effective_on", "ordered_on"}.isdisjoint(self.input_model.model_fields)

    def validate(self, arguments: Mapping[str, object]) -> Payload:
        """Return the payload as a model that also keeps the tool's own rules; raises ValidationFailed."""
        payload: Payload = validated(self.input_model, arguments, prefix=self.prefix)  # type: ignore[assignment]
        self.check(payload)
        return payload

    @abstractmethod
    def check(self, payload: Payload) -> None:
        """Refuse a payload whose fields are each well-formed but do not belong together."""

    @abstractmethod
    def effect(self, payload: Payload, company: str, connector: Connector) -> Effect:
        """Return amount, counterparty and date that grants and routing look at; reads the ERP at most once."""

    @abstractmethod
    def present(self, payload: Payload, company: str, connector: Connector) -> Presented:
        """Return what the approver is shown and the preconditions; refuses what the ERP could only refuse."""

    @abstractmethod
    def totals(self, payload: Payload) -> Mapping[str, str]:
        """Return derived values that must have landed too, e.g. the total: an ERP that adds tax is found by it."""

    @abstractmethod
    def reversal(self, payload: Mapping[str, object], document: str, landed: Mapping[str, object]) -> tuple[str, dict[str, Any]]:
        """Return tool name and payload of the write that compensates `document`."""

    def compare(self, approved: Mapping[str, object], landed: Mapping[str, object]) -> list[Difference]:
        """Return where the landed document differs from the approved payload, field by field; empty when nothing does."""
        totals = self.totals(self.input_model.model_validate(approved))  # type: ignore[arg-type]
        return differences({**approved, **totals}, landed, fields=(*self.input_model.model_fields, *totals))


def refuse(path: str, message: str, acceptable: str = "", *, error: type[ValidationFailed] = ValidationFailed) -> ValidationFailed:
    """Return the refusal of one field, to be raised."""
    return error(detail=f"{message}.", errors=(FieldError(path, message, acceptable),))


def refuse_all(found: Sequence[FieldError]) -> None:
    """Raise ValidationFailed for the fields found wrong; returns when there are none."""
    if found:
        more = f" ({len(found)} in all)" if len(found) > 1 else ""
        raise ValidationFailed(detail=f"{found[0].path}: {found[0].message}{more}.", errors=tuple(found))


def require_present(value: str, *, path: str, what: str, company: str, acceptable: str) -> str:
    """Return a fact's value, or refuse the field that names something the ERP does not have."""
    if value == facts.ABSENT:
        raise refuse(path, f"there is no {what} in {company}", acceptable)
    return value
