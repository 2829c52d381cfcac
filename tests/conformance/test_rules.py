"""Every kind of rule against tables of (what arrives, what the column holds, what is said about it)."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from streams.contract import FIELD_TYPES, parse
from streams.decode import Decoder
from streams.rules import Context
from streams.validate import Validated, extras, quality_warnings, validate

KAFKA_TIME = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ZONE = "Africa/Cairo"
_IDENTITY = {"event_type": "call", "sid": "1", "timestamp": "2026-11-24 10:00:00"}


class J(str):
    """JSON as it stands in the message; everything else in the tables is written as JSON first."""

    __slots__ = ()


def outcome(field: dict[str, Any], values: list[Any], zone: str = ZONE) -> list[tuple[Any, str | None, str | None]]:
    """What becomes of each value of one field `f`: the column, the code word, the warnings' words."""
    validated, _ = judged(field, values, zone)
    said = quality_warnings(validated.warnings, validated.malformed).to_list()
    words = [None if w is None else ",".join(code.removesuffix(":f") for code in w) for w in said]
    codes = [None if r is None else r.removesuffix(":f") for r in validated.reasons.to_list()]
    return list(zip(validated.columns["f"].to_list(), codes, words, strict=True))


def judged(field: dict[str, Any], values: list[Any], zone: str = ZONE) -> tuple[Validated, list[str | None]]:
    contract = parse({"source": "s", "kind": "event", "event_type": "call", "fields": [{"name": "f", **field}]})
    texts = [value if isinstance(value, J) else json.dumps(value) for value in values]
    begin = json.dumps(_IDENTITY)[:-1]
    messages = pa.array([f'{begin}, "f": {text}}}'.encode() for text in texts], pa.large_binary())
    decoder = Decoder(contract)
    times = pl.Series([KAFKA_TIME] * len(values), dtype=pl.Datetime("us", "UTC"))
    context = Context(zone, datetime(2020, 1, 1, tzinfo=UTC), times)
    validated = validate(contract, decoder.decode(messages), context)
    return validated, extras(validated, messages, decoder.extra).to_list()


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


Table = list[tuple[Any, Any, str | None]]
UNREADABLE_NUMBERS: Table = [
    (text, None, "type") for text in ("sixty", "+5", "05", ".5", "5.", "1e", "0x10", "1_000", "6 1", "NaN",
    "Infinity", "٦١", "--1")
]  # fmt: skip
NOT_TEXT_NOR_NUMBER: Table = [(value, None, "type") for value in (True, False, {}, [], [1], {"a": 1})]

STRING: Table = [
    ("completed", "completed", None),
    ("  completed\u00a0\u3000\t", "completed", None),
    ("in  side", "in  side", None),
    ("\u200b", "\u200b", None),  # no white space by Unicode's property
    ("\x1f", "\x1f", None),  # Python's strip() would take it
    ("a\x00b", "a\x00b", None),
    ('quo"te \\ / \u00e9 \U0001f600', 'quo"te \\ / \u00e9 \U0001f600', None),
    (J(r'"\u0063\ud83d\ude00\/"'), "c\U0001f600/", None),
    ("61.0", "61.0", None),
    (61, "61", None),
    (J("61.0"), "61", None),
    (J("6.1e1"), "61", None),
    (J("-0"), "0", None),
    (2**63 - 1, str(2**63 - 1), None),
    (-(2**63), str(-(2**63)), None),
    (2**63, None, "type"),
    (J("61.7"), None, "type"),
    (J("61.00000000000000000001"), None, "type"),
    (J("1e-400"), None, "type"),
    (J("1e400"), None, "type"),
    *NOT_TEXT_NOR_NUMBER,
]
INT: Table = [
    (61, 61, None),
    (J("61.0"), 61, None),
    (J("61.00000000000000000000"), 61, None),
    (J("610e-1"), 61, None),
    (J("6.1E+1"), 61, None),
    ("61", 61, None),
    (" 61\u00a0", 61, None),
    ("6.1e1", 61, None),
    ("-0", 0, None),
    ("0e99999999999999999999", 0, None),
    (2**63 - 1, 2**63 - 1, None),
    (str(2**63 - 1), 2**63 - 1, None),
    (J("9223372036854775807.0"), 2**63 - 1, None),
    (J("9007199254740993.0"), 9007199254740993, None),
    (-(2**63), -(2**63), None),
    (2**63, None, "type"),
    (str(2**63), None, "type"),
    (-(2**63) - 1, None, "type"),
    (2**64, None, "type"),
    (J("1e19"), None, "type"),
    (J("1e400"), None, "type"),
    ("1e9999999999999999999", None, "type"),
    ("1" * 5000, None, "type"),
    (J("61.7"), None, "type"),
    (J("61.00000000000000000001"), None, "type"),
    ("61.7", None, "type"),
    ("1e-1", None, "type"),
    *UNREADABLE_NUMBERS,
    *NOT_TEXT_NOR_NUMBER,
]
DOUBLE: Table = [
    (4.1, 4.1, None),
    ("4.1", 4.1, None),
    (5, 5.0, None),
    (J("-0.0"), -0.0, None),
    ("1.7e308", 1.7e308, None),
    (J("5e-324"), 5e-324, None),
    (J("1e-400"), 0.0, None),
    (J("0.1234567890123456789"), 0.1234567890123456789, None),
    (J("123456789012345678901234567890"), 123456789012345678901234567890.0, None),
    (J("1e400"), None, "type"),
    ("1e400", None, "type"),
    ("-1.8e308", None, "type"),
    ("9" * 400, None, "type"),
    *UNREADABLE_NUMBERS,
    *NOT_TEXT_NOR_NUMBER,
]
MONEY: Table = [
    (0.16, "0.1600", None),
    (J("1e2"), "100.0000", None),
    (" -5 ", "-5.0000", None),
    ("0", "0.0000", None),
    ("1.00000", "1.0000", None),  # no digit is lost
    ("0.12347", "0.1235", "rounded"),
    ("0.00005", "0.0000", "rounded"),  # half to even
    ("0.00015", "0.0002", "rounded"),
    ("0.00025", "0.0002", "rounded"),
    ("0.000250000000000000000000000000000001", "0.0003", "rounded"),
    ("-0.00015", "-0.0002", "rounded"),
    (J("0.00025"), "0.0002", "rounded"),
    (J("1.00005"), "1.0000", "rounded"),
    ("1e-400", "0.0000", "rounded"),
    ("1e-9999999999999999999", "0.0000", "rounded"),
    (J("0.1600000000000000000001"), "0.1600", None),  # a JSON number's 15 digits are no rounding
    ("0.1600000000000000000001", "0.1600", "rounded"),  # a text is exact
    (J("1.1400000000000001"), "1.1400", None),
    (J("1234567890.23456"), "1234567890.2346", "rounded"),
    (J("12345678901.23456"), "12345678901.2346", None),  # the 15 digits of it are those
    ("99999999999999.9999", "99999999999999.9999", None),
    (J("99999999999999.9999"), None, "range"),  # 15 digits of it are 10^14
    (J("99999999999999.9"), "99999999999999.9000", None),
    ("99999999999999.99994", "99999999999999.9999", "rounded"),
    ("99999999999999.99995", None, "range"),
    ("-99999999999999.99995", None, "range"),
    ("100000000000000", None, "range"),
    (J("1e14"), None, "range"),
    (J("-1e14"), None, "range"),
    (J("1e400"), None, "range"),
    ("1e400", None, "range"),
    (J("1e9999999999999999999"), None, "range"),
    ("1e9999999999999999999", None, "range"),
    ("9" * 5000, None, "range"),
    ("0e9999999999999999999", "0.0000", None),
    *UNREADABLE_NUMBERS,
    *NOT_TEXT_NOR_NUMBER,
]
BOOL: Table = [
    (True, True, None),
    (False, False, None),
    ("true", True, None),
    (" FALSE ", False, None),
    ("tRuE", True, None),
    (J(r'"\u0074rue"'), True, None),
    *[(value, None, "type") for value in (0, 1, "1", "0", "yes", "t", "fal\u017fe", "truetrue", {}, [])],
]
TIME: Table = [
    ("2026-11-23 10:15:00", utc("2026-11-23 08:15:00"), None),
    ("2026-11-23T10:15:00", utc("2026-11-23 08:15:00"), None),
    (" 2026-11-23 10:15:00\u00a0", utc("2026-11-23 08:15:00"), None),
    ("2026-07-01 10:15:00", utc("2026-07-01 07:15:00"), None),  # summer time
    ("2026-11-23 10:15:00Z", utc("2026-11-23 10:15:00"), None),
    ("2026-11-23T10:15:00+02:00", utc("2026-11-23 08:15:00"), None),
    ("2026-11-23T10:15:00-0230", utc("2026-11-23 12:45:00"), None),
    ("2026-11-23T10:15:00+02", utc("2026-11-23 08:15:00"), None),
    ("2026-11-23T10:15:00-00:00", utc("2026-11-23 10:15:00"), None),
    ("2026-11-23 10:15:00.5", utc("2026-11-23 08:15:00.500000"), None),
    ("2026-11-23T10:15:00.123456789Z", utc("2026-11-23 10:15:00.123456"), None),
    ("2026-11-23T10:15:59.9999999Z", utc("2026-11-23 10:15:59.999999"), None),  # cut, not rounded
    ("1969-12-31 23:59:59.999999Z", utc("1969-12-31 23:59:59.999999"), None),
    (1772352900000, utc("2026-03-01 08:15:00"), None),
    (J("1772352900000.0"), utc("2026-03-01 08:15:00"), None),
    (J("1.7723529e12"), utc("2026-03-01 08:15:00"), None),
    ("1772352900000", utc("2026-03-01 08:15:00"), None),
    (10**11, utc("1973-03-03 09:46:40"), None),
    (10**11 - 1, None, "invalid"),
    ("99999999999", None, "invalid"),
    (1772352900, None, "invalid"),
    (-1772352900000, None, "invalid"),
    (J("1772352900000.5"), None, "invalid"),
    ("1.7723529e12", None, "invalid"),
    ("-1772352900000", None, "invalid"),
    ("١٧٧٢٣٥٢٩٠٠٠٠٠", None, "invalid"),
    (253402300799999, utc("9999-12-31 23:59:59.999"), None),
    (253402300800000, None, "invalid"),
    ("253402300800000", None, "invalid"),
    (J("1e400"), None, "invalid"),
    ("9" * 40, None, "invalid"),
    ("9999-12-31T23:59:59.9999999Z", utc("9999-12-31 23:59:59.999999"), None),
    ("9999-12-31T23:00:00-01:00", None, "invalid"),
    ("9999-12-31 23:59:59", utc("9999-12-31 21:59:59"), None),
    ("0001-01-01T00:00:00Z", utc("0001-01-01 00:00:00"), None),
    ("0001-01-01T01:00:00+01:00", utc("0001-01-01 00:00:00"), None),
    ("0001-01-01T00:59:59+01:00", None, "invalid"),
    ("0001-01-01 00:00:00", None, "invalid"),  # east of Greenwich that is the year 0
    ("0000-12-31T23:59:59Z", None, "invalid"),
    # the hour that does not exist, the one that comes twice, and the last and first clear minutes around them
    ("2026-04-23 23:59:59", utc("2026-04-23 21:59:59"), None),
    ("2026-04-24 00:00:00", utc("2026-04-23 22:00:00"), "dst"),
    ("2026-04-24T00:59:59.999999", utc("2026-04-23 22:59:59.999999"), "dst"),
    ("2026-04-24 01:00:00", utc("2026-04-23 22:00:00"), None),
    ("2026-04-24 00:30:00+02:00", utc("2026-04-23 22:30:00"), None),
    ("2026-10-29 22:59:59", utc("2026-10-29 19:59:59"), None),
    ("2026-10-29 23:00:00", utc("2026-10-29 20:00:00"), "dst"),
    ("2026-10-29 23:59:59.5", utc("2026-10-29 20:59:59.5"), "dst"),
    ("2026-10-30 00:00:00", utc("2026-10-29 22:00:00"), None),
    ("2024-02-29 10:00:00", utc("2024-02-29 08:00:00"), None),
    *[
        (text, None, "invalid")
        for text in (
            "2026-02-29 10:00:00", "2026-02-30 10:00:00", "2026-04-31 10:00:00", "2026-13-01 10:00:00",
            "2026-00-10 10:00:00",
            "2026-11-23 24:00:00", "2026-11-23 10:60:00", "2026-12-31 23:59:60", "2026-11-23 10:15", "2026-11-23",
            "10:15:00",
            "2026-11-23t10:15:00", "2026-11-23T10:15:00z", "2026-11-23  10:15:00", "2026-11-23 10:15:00 Z",
            "2026-11-23 10:15:00.",
            "2026-11-23 10:15:00,5", "2026-11-23 10:15:00+2", "2026-11-23 10:15:00+02:0", "2026-11-23 10:15:00+020",
            "2026-11-23 10:15:00+02:00:00", "2026-1-2 10:15:00", "26-11-23 10:15:00", "+2026-11-23 10:15:00",
            "2026/11/23 10:15:00",
            "23.11.2026 10:15:00", "٢٠٢٦-١١-٢٣ ١٠:١٥:٠٠", "Mon, 23 Nov 2026 10:15:00 GMT", "now",
        )
    ],
    *[(value, None, "invalid") for value in (True, {}, [])],
]  # fmt: skip
DATE: Table = [
    ("2026-11-23", date(2026, 11, 23), None),
    (" 2026-11-23\u2003", date(2026, 11, 23), None),
    ("2024-02-29", date(2024, 2, 29), None),
    ("0001-01-01", date(1, 1, 1), None),
    ("9999-12-31", date(9999, 12, 31), None),
    ("2026-11-23 23:30:00", date(2026, 11, 23), None),
    ("2026-11-23T21:59:59Z", date(2026, 11, 23), None),
    ("2026-11-23T22:00:00Z", date(2026, 11, 24), None),  # already the next day in Cairo
    ("2026-11-23T23:30:00-08:00", date(2026, 11, 24), None),
    ("2026-04-24 00:30:00", date(2026, 4, 24), "dst"),
    ("2026-10-29 23:30:00", date(2026, 10, 29), "dst"),
    *[
        (value, None, "type")  # an optional field without a rule: a warning, whatever the type's code
        for value in ("2026-02-29", "2026-02-30", "0000-01-01", "2026-1-2", "20261123", "1772352900000",
            1772352900000, "2026-11-23T",
                      "9999-12-31T23:00:00Z", "0001-01-01 00:00:00", "٢٠٢٦-١١-٢٣", True, {}, [])
    ],
]  # fmt: skip
PHONE: Table = [
    *[
        (number, "+201012345678", None)
        for number in ("01012345678", "+201012345678", "00201012345678", "201012345678", "1012345678", "+2001012345678",
                       "002001012345678", "  (010) 1234-5678 ", "010\u00a01234\u20095678", "+20\t10 123-456-78",
                       "-(0)1012345678", 1012345678,
                       201012345678, J("1012345678.0"))
    ],
    *[(f"01{operator}12345678", f"+201{operator}12345678", None) for operator in "0125"],
    ("+447911123456", "+447911123456", None),
    ("00447911123456", "+447911123456", None),
    ("+12345678", "+12345678", None),
    ("+123456789012345", "+123456789012345", None),
    ("+2112345678", "+2112345678", None),
    ("+21" + "1" * 13, "+21" + "1" * 13, None),
    *[
        (number, number.strip(), "invalid")
        for number in ("0000000000", "01312345678", "0101234567", "010123456789", "+20123456789", "+2021234567",
            "447911123456", " 12345 ",
                       "+1234567", "+1234567890123456", "+0447911123456", "+200212345678", "++201012345678",
                       "010 12345678x", "anonymous",
                       "٠١٠١٢٣٤٥٦٧٨", "\uff10\uff11\uff1012345678", "010\u200b12345678", "010\u201312345678",
                       "010.1234.5678", "()", "+")
    ],
    (47911123456, "47911123456", "invalid"),
    (J("1012345678.5"), None, "type"),
    (2**63, None, "type"),
    *NOT_TEXT_NOR_NUMBER,
]  # fmt: skip
IMEI: Table = [
    ("358462791234560", "358462791234560", None),
    (" 358462791234560\n", "358462791234560", None),
    (358462791234560, "358462791234560", None),
    (J("3.5846279123456e14"), "358462791234560", None),
    ("000000000000000", "000000000000000", None),
    *[("35846279123456" + digit, "35846279123456" + digit, "luhn") for digit in "123456789"],
    *[
        (text, text, "invalid")
        for text in (
            "3584627912",
            "3584627912345600",
            "35846279123456A",
            "35 846279 123456 0",
            "٣٥٨٤٦٢٧٩١٢٣٤٥٦٠",
            "35846279-1234560",
        )
    ],
    (3584627912, "3584627912", "invalid"),
    (J("358462791234560.5"), None, "type"),
    *NOT_TEXT_NOR_NUMBER,
]
TAC: Table = [
    ("35846279", "35846279", None),
    (35846279, "35846279", None),
    *[(text, text, "invalid") for text in ("3584627", "358462790", "3584627A", "٣٥٨٤٦٢٧٩")],
    (1234567, "1234567", "invalid"),
    *NOT_TEXT_NOR_NUMBER,
]
CURRENCY: Table = [
    *[(code, code, None) for code in ("EGP", "USD", "XXX", "XAU", "XTS", "CHW", "BOV")],
    (" EGP ", "EGP", None),
    *[(code, code, "domain") for code in ("egp", "Egp", "ZZZ", "EG", "E GP", "ЕGP", "\u00a3")],
    (818, "818", "domain"),
    *NOT_TEXT_NOR_NUMBER,
]
TABLES = {
    "string": STRING, "int": INT, "double": DOUBLE, "money": MONEY, "bool": BOOL, "time": TIME, "date": DATE,
    "phone": PHONE,
    "imei": IMEI, "tac": TAC, "currency": CURRENCY,
}  # fmt: skip
_CODES = ("type", "invalid", "domain", "range")


def test_every_kind_of_value_has_its_table() -> None:
    assert set(TABLES) == set(FIELD_TYPES)


@pytest.mark.parametrize("kind", TABLES)
def test_every_value_becomes_what_the_contract_says(kind: str) -> None:
    """Dates are read as optional fields, all others as required ones: so that the code is the type's own."""
    table = TABLES[kind]
    found = outcome({"type": kind, "required": kind != "date"}, [value for value, _, _ in table])
    differing = []
    for (sent, column, word), row in zip(table, found, strict=True):
        code = word if word in _CODES and kind != "date" else None
        wanted = (Decimal(column) if kind == "money" and column else column, code, None if code else word)
        if row != wanted:
            differing.append((sent, wanted, row))
    assert differing == []


@pytest.mark.parametrize("kind", TABLES)
def test_values_say_the_same_alone_and_in_company(kind: str) -> None:
    """Columns of one shape take shortcuts: only texts, no texts, nothing odd."""
    sent = [value for value, _, _ in TABLES[kind]][:40]
    together = outcome({"type": kind, "required": True}, sent)
    assert [outcome({"type": kind, "required": True}, [value])[0] for value in sent] == together


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("absent", [None, "", "  ", "\u00a0\u2003", "\t\n", J(r'"\u2028\u0020"')])
def test_null_and_blank_are_missing_and_nothing_else(kind: str, absent: Any) -> None:
    assert outcome({"type": kind, "required": True}, [absent]) == [(None, "missing", None)]
    assert outcome({"type": kind}, [absent]) == [(None, None, None)]


UNREADABLE: dict[str, Any] = {
    "string": {}, "int": "sixty", "double": "x", "money": "x", "bool": 1, "time": "now", "date": "2026-02-30",
}  # fmt: skip


@pytest.mark.parametrize("kind", UNREADABLE)
def test_an_optional_field_without_a_rule_is_never_a_rejection(kind: str) -> None:
    sent = UNREADABLE[kind]
    assert outcome({"type": kind}, [sent]) == [(None, None, "type")]
    _, extra = judged({"type": kind}, [sent])
    assert json.loads(extra[0] or "") == {"f": sent}


def test_more_money_than_the_column_holds_is_only_a_warning_where_nothing_rules_it() -> None:
    assert outcome({"type": "money"}, [1e14]) == [(None, None, "type")]


@pytest.mark.parametrize("kind", ["phone", "imei", "tac", "currency"])
def test_a_type_with_a_pattern_rejects_though_the_field_is_optional(kind: str) -> None:
    word = "domain" if kind == "currency" else "invalid"
    assert outcome({"type": kind}, ["?", {}]) == [("?", word, None), (None, "type", None)]


def test_a_domain_holds_the_text_as_it_stands() -> None:
    field = {"type": "string", "domain": ["a", "B", "7"]}
    found = outcome(field, ["a", " B ", "b", "A", 7, "c", None, {}])
    assert found == [
        ("a", None, None), ("B", None, None), ("b", "domain", None), ("A", "domain", None), ("7", None, None), ("c",
        "domain", None),
        (None, None, None), (None, "type", None),
    ]  # fmt: skip


def test_both_ends_of_a_range_belong_to_it() -> None:
    found = outcome({"type": "int", "range": {"min": 1, "max": 5}}, [0, 1, 5, 6, "6", None, "x"])
    words = [(row[0], row[1]) for row in found]
    assert words == [(0, "range"), (1, None), (5, None), (6, "range"), (6, "range"), (None, None), (None, "type")]


def test_money_is_held_against_its_range_after_it_was_rounded() -> None:
    positive = {"type": "money", "range": {"min": 0, "above": True}}
    found = outcome(positive, ["0.0001", "0.00001", "0", "-1", "0.00005", "0.00006", 1e14])
    assert [row[1:] for row in found] == [
        (None, None), ("range", "rounded"), ("range", None), ("range", None), ("range", "rounded"), (None,
        "rounded"), ("range", None),
    ]  # fmt: skip
    assert [row[1] for row in outcome({"type": "money", "range": {"min": 0}}, ["0", "-0.0001", "-0.00001"])] == [
        None,
        "range",
        None,
    ]


def test_doubles_keep_their_bounds() -> None:
    latitude = {"type": "double", "range": {"min": -90, "max": 90}}
    assert [row[1] for row in outcome(latitude, [-90, 90, 90.00000001, "-90.1", 1e400])] == [
        None,
        None,
        "range",
        "range",
        "malformed:json",
    ]


def test_a_field_that_a_condition_requires_is_read_as_a_required_one() -> None:
    contract = parse(
        {
            "source": "payment", "kind": "event", "event_type": "payment", "fields": [
                {"name": "payment_type", "type": "string", "required": True},
                {"name": "invoice_number", "type": "string", "required_if": {"field": "payment_type",
                    "value": "Bill Payment"}},
            ],
        }
    )  # fmt: skip
    events = [
        {"payment_type": kind, "invoice_number": number} for kind in ("Bill Payment",
            "Subscription") for number in ("INV1", None, {})
    ]  # fmt: skip
    messages = pa.array(
        [json.dumps(_IDENTITY | {"event_type": "payment"} | e).encode() for e in events], pa.large_binary()
    )
    times = pl.Series([KAFKA_TIME] * len(events), dtype=pl.Datetime("us", "UTC"))
    validated = validate(
        contract, Decoder(contract).decode(messages), Context(ZONE, datetime(2020, 1, 1, tzinfo=UTC), times)
    )
    assert validated.reasons.to_list() == [None, "missing:invoice_number", "type:invoice_number", None, None, None]
    assert validated.warnings["type:invoice_number"].to_list() == [False] * 5 + [True]


def _event_times(*texts: str) -> list[str | None]:
    contract = parse({"source": "s", "kind": "event", "event_type": "call", "fields": []})
    messages = pa.array([json.dumps(_IDENTITY | {"timestamp": text}).encode() for text in texts], pa.large_binary())
    times = pl.Series([KAFKA_TIME] * len(texts), dtype=pl.Datetime("us", "UTC"))
    context = Context(ZONE, datetime(2020, 1, 1, tzinfo=UTC), times)
    return validate(contract, Decoder(contract).decode(messages), context).reasons.to_list()


def test_an_event_happens_from_2020_to_a_day_after_kafka_took_it() -> None:
    latest = KAFKA_TIME + timedelta(hours=24)
    texts = (
        "2020-01-01T00:00:00Z",
        "2019-12-31T23:59:59.999999Z",
        latest.isoformat(),
        f"{latest:%Y-%m-%dT%H:%M:%S}.000001Z",
    )
    assert _event_times(*texts) == [None, "range:timestamp", None, "range:timestamp"]


@pytest.mark.parametrize(
    ("zone", "local", "instant", "doubt"),
    [
        ("UTC", "2026-04-24 00:30:00", "2026-04-24 00:30:00", None),
        ("America/New_York", "2026-03-08 02:30:00", "2026-03-08 07:30:00", "dst"),
        ("America/New_York", "2026-11-01 01:30:00", "2026-11-01 05:30:00", "dst"),
        ("Australia/Lord_Howe", "2026-10-04 02:15:00", "2026-10-03 15:45:00", "dst"),
        ("Asia/Kathmandu", "2026-11-23 10:15:00", "2026-11-23 04:30:00", None),
        ("Africa/Cairo", "1850-06-01 12:00:00", "1850-06-01 09:54:51", None),
        ("America/New_York", "2150-07-01 12:00:00", "2150-07-01 16:00:00", None),
    ],
)  # fmt: skip
def test_local_times_are_those_of_the_operators_zone(zone: str, local: str, instant: str, doubt: str | None) -> None:
    assert outcome({"type": "time"}, [local], zone) == [(utc(instant), None, doubt)]
