"""Published exchange rates are taken over as a whole or not at all, from a file or through the guard, once each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from approvals import tasks
from approvals.matrix.importing import import_rates
from approvals.matrix.models import CompanyCurrency, ExchangeRate, RateImport
from approvals.matrix.rates import newest_rate
from audit.models import Event
from audit.queries import record_of
from gateway.errors import OutboundRefused
from gateway.reference_rates import RatesUnreadable, fetch, parse_rates
from identity.models import Role
from kernel.clock import now as clock_now
from tests.builders.http import Listener, Reply, listening
from tests.builders.identity import make_user

XML = """<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
<gesmes:subject>Reference rates</gesmes:subject><gesmes:Sender><gesmes:name>European Central Bank</gesmes:name></gesmes:Sender>
<Cube><Cube time='{day}'><Cube currency='USD' rate='{usd}'/>
<Cube currency='JPY' rate='163.25'/><Cube currency='CHF' rate='0.9375'/></Cube></Cube>
</gesmes:Envelope>"""
CSV = "Date, USD, JPY, CHF, \n{day}, {usd}, 163.25, N/A, \n"


def yesterday() -> date:
    return clock_now().date() - timedelta(days=1)


def published(form: str = XML, usd: str = "1.25", day: str = "") -> bytes:
    return form.format(day=day or yesterday().isoformat(), usd=usd).encode()


@pytest.fixture
def companies(db: None) -> None:
    cora = make_user("cora", [Role.CONTROLLER])
    for company, currency in (("DE01", "EUR"), ("CH01", "CHF"), ("IS01", "ISK")):
        CompanyCurrency.objects.create(company=company, currency=currency, recorded_by=cora, recorded_at=clock_now())


def test_both_forms_say_what_one_euro_is_worth() -> None:
    assert parse_rates(published()).days == {yesterday(): {"USD": Decimal("1.25"), "JPY": Decimal("163.25"), "CHF": Decimal("0.9375")}}
    assert parse_rates(published(CSV)).days == {yesterday(): {"USD": Decimal("1.25"), "JPY": Decimal("163.25")}}
    assert parse_rates(published(CSV, day="20 November 2026")).days.keys() == {date(2026, 11, 20)}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not begin with Date"),
        (b"<Envelope>", "it is no XML"),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><Envelope/>", "document type"),
        (b"<Envelope/>", "no day with a rate"),
        (published(usd="0"), "'0' is no rate of USD"),
        (published(usd="1e3"), "'1e3' is no rate of USD"),
        (published(usd="-1.25"), "'-1.25' is no rate of USD"),
        (published(day="yesterday"), "'yesterday' is no date"),
        (published(CSV) + b"2026-11-19, 1.25\n", "row 3 has 1 rates for 3 currencies"),
        (published(CSV) * 2, "'Date' is no date"),
        (published().replace(b"JPY", b"USD"), "USD stands there twice"),
        (published().replace(b"JPY", b"EUR"), "'EUR' is no currency beside EUR"),
        (published().replace(b"rate='163.25'", b""), "a rate without currency or value"),
        (b"Date, USD\n2026-11-19, \xff\n", "no CSV in UTF-8"),
    ],
)
def test_a_file_with_a_mistake_says_which(content: bytes, said: str) -> None:
    with pytest.raises(RatesUnreadable, match=said):
        parse_rates(content)


def test_they_count_for_every_company_s_currency_crossed_over_the_euro(companies: None) -> None:
    found = import_rates(content=published(), source="ECB", now=clock_now())
    assert found.made is not None
    assert (found.made.count, found.made.last_on, found.known) == (6, yesterday(), 0)
    stored = {(row.from_currency, row.to_currency): row.rate for row in ExchangeRate.objects.all()}
    assert stored == {
        ("USD", "EUR"): Decimal("0.8"),
        ("JPY", "EUR"): Decimal("0.0061255743"),
        ("CHF", "EUR"): Decimal("1.0666666667"),
        ("EUR", "CHF"): Decimal("0.9375"),
        ("USD", "CHF"): Decimal("0.75"),
        ("JPY", "CHF"): Decimal("0.0057427259"),
    }
    rate = newest_rate("USD", "EUR", clock_now().date())
    assert rate is not None
    assert (rate.source, rate.rate_on, rate.imported_by, rate.recorded_by) == ("ECB", yesterday(), found.made, None)
    outcome = record_of(Event.objects.get(kind="policy:rates_imported"))["outcome"]
    assert (outcome["count"], outcome["to"], outcome["digest"]) == (6, ["CHF", "EUR"], found.made.digest)


def test_again_it_changes_nothing_and_a_correction_replaces(companies: None) -> None:
    import_rates(content=published(), source="ECB", now=clock_now())
    again = import_rates(content=published(CSV), source="ECB", now=clock_now())
    assert (again.made, again.known) == (None, 4 - 2)
    corrected = import_rates(content=published(usd="1.6"), source="ECB", now=clock_now())
    assert corrected.made is not None
    assert (corrected.made.count, corrected.known) == (2, 4)
    rate = newest_rate("USD", "EUR", clock_now().date())
    assert rate is not None
    assert rate.rate == Decimal("0.625")
    assert Event.objects.filter(kind="policy:rates_imported").count() == 2


def test_nothing_is_half_done(companies: None) -> None:
    tomorrow = (clock_now().date() + timedelta(days=1)).isoformat()
    two_days = published(CSV) + f"{tomorrow}, 1.25, 163.25, N/A, \n".encode()
    for content, source in ((two_days, "ECB"), (published(usd="0"), "ECB"), (published(), " ")):
        with pytest.raises(RatesUnreadable):
            import_rates(content=content, source=source, now=clock_now())
    assert not ExchangeRate.objects.exists()
    assert not RateImport.objects.exists()
    assert list(Event.objects.values_list("kind", flat=True)).count("policy:refused") == 3


@pytest.mark.django_db
def test_without_a_company_s_currency_there_is_nothing_to_convert_into() -> None:
    with pytest.raises(RatesUnreadable, match="No company's currency is recorded"):
        import_rates(content=published(), source="ECB", now=clock_now())


def test_a_rate_has_a_person_or_an_import_behind_it(companies: None) -> None:
    import_rates(content=published(), source="ECB", now=clock_now())
    columns = "from_currency, to_currency, rate, rate_on, source, recorded_at"
    for statement in (
        "UPDATE approvals_rateimport SET count = 1",
        f"INSERT INTO approvals_exchangerate ({columns}) SELECT {columns} FROM approvals_exchangerate",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


@pytest.fixture(scope="module")
def bank() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


def test_it_comes_by_the_guard_every_hour_where_a_source_is_configured(companies: None, bank: Listener, settings: Settings) -> None:
    assert tasks.import_rates() == 0
    settings.RATES_URL = bank.url("/rates.xml")
    bank.replies[:] = [Reply(body=published()), Reply(status=503), Reply(body=b"maintenance")]
    assert [tasks.import_rates() for _ in range(3)] == [6, 0, 0]
    assert ExchangeRate.objects.count() == 6
    with pytest.raises(OutboundRefused):
        fetch("https://8.8.8.8/rates.xml")


def test_the_command_says_what_was_new(companies: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "eurofxref.csv"
    file.write_bytes(published(CSV))
    for _ in range(2):
        call_command("rates_import", str(file), source="ECB")
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("2 rates of ")
    assert said[1] == "Nothing new: 2 rates were known already."
    file.write_text("<html>")
    for place, reason in ((str(file), "no XML"), (str(tmp_path / "absent"), "can't be read"), ("", "Name a file")):
        with pytest.raises(CommandError, match=reason):
            call_command("rates_import", place)
