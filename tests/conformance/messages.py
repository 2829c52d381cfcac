"""Hypothesis strategies for messages: good ones with faults in them, any JSON at all, and bytes that are none.

Values are JSON texts, not Python values, so that every spelling of a number, a string or white space can occur.
"""

import json
import re
from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.conformance.reference_contracts import EVENTS, FIELDS, Field

NUMBERS = [
    "0", "-0", "-0.0", "1", "-1", "5", "61", "61.0", "61.7", "6.1e1", "6.1E+1", "610e-1", "86400", "86401", "-10", "0.16",
    "0.00001", "0.00005", "0.00015", "0.00025", "1.00005", "1e2", "0.1234567890123456", "0.12345678901234567890",
    "12345678901.00005", "12345678901.00015", "99999999999999.9999", "99999999999999.99", "1e13", "99999999999999.94",
    "99999999999999.96", "1e14", "-1e14", "1e15", "1e19", "9007199254740993", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616",
    "123456789012345678901234567890", "1e308", "1.8e308", "1e400", "-1e400", "1e-400", "5e-324", "1e9999999999999999999",
    "0e99999999999999999999", "1e-99999999999999999999", "1772352900000", "1772352900000.0", "1.7723529e12", "99999999999",
    "100000000000", "253402300799999", "253402300800000", "-1772352900000", "1012345678", "201012345678", "447911123456",
    "358462791234560", "35846279123456", "3584627912345678", "20260301101500", "20251030233000", "20261301101500",
    "2.02603011015e13", "31622400", "31622401", "100.5", "86400000.5", "-300", "-301", "1000000001", "35846279", "12345678",
]  # fmt: skip
_NOT_NUMBERS = [
    "+5",
    "05",
    ".5",
    "5.",
    "1e",
    "0x10",
    "NaN",
    "nan",
    "Infinity",
    "-Infinity",
    "inf",
    "1_000",
    "١٢",
    "6,1",
    "--1",
    "1e5.5",
    "-",
]
TIMES = [
    f"{day}{clock}"
    for day in ("2026-03-01", "2026-04-24", "2026-10-29", "2024-02-29", "2026-02-29", "2026-04-31", "0001-01-01", "9999-12-31")
    for clock in (" 10:15:00", "T00:30:00", " 23:30:00.5", "T23:59:59.999999999Z", " 23:00:00-01:00", "T01:00:00+02")
] + [
    "2026-03-01", "2026-02-30", "0000-01-01", "0001-01-01", "9999-12-31", "2026-3-1", "2026-04-24", "1900-01-02", "1900-01-01",
    "2101-01-01", "2100-12-31", "2026-03-01t10:15:00", "2026-03-01T10:15:00z", "2026-03-01 10:15", "2026-03-01  10:15:00",
    "2026-03-01 10:15:00.", "2026-03-01 10:15:00,5", "2026-03-01 10:15:00 Z", "2026-03-01 10:15:00+0230",
    "2026-03-01 10:15:00-02:30", "2026-03-01 10:15:00+2", "2026-03-01 10:15:00+24:00", "2026-03-01 10:15:00+02:60",
    "2026-12-31 23:59:60", "2026-03-01 24:00:00", "2025-13-45 25:99:99", "1970-01-01 00:00:00", "1969-12-31 23:59:59",
    "2099-01-01 00:00:00", "1850-06-01 12:00:00", "2150-06-01 12:00:00", "٢٠٢٦-٠٣-٠١ ١٠:١٥:٠٠", "2026-11-25 14:00:00",
    "2026-11-25T12:00:00Z", "2026-11-25T12:00:00.000001Z", "2019-12-31T23:59:59.999999Z", "2020-01-01T00:00:00Z",
    "20260301101500", "20260424003000", "19000101000000", "18991231235959", "21001231235959", "21010101000000",
    "20261301101500",
    "020260301101500", "2026-03-01T10:15Z", "2026-03-01 10:15+02", "2026-03-01t10:15z", "2026-03-01 10:15.5",
    "2026-04-24 00:30",
    "2026-03-01 10:15:", "01772352900000", "9999-12-31 23:59:59+00:00", "9999-12-31T22:30:00Z", "9999-12-31T23:59:59.9999999Z",
]  # fmt: skip
PHONES = [
    "01012345678", "+201112345678", "00201212345678", "201512345678", "+2001012345678", "1012345678", "(010) 1234-5678",
    "010\u00a01234\u20095678",
    "010\u200b12345678", "01312345678", "+447911123456", "00447911123456", "+2112345678", "+201", "2112345678",
    "+20212345678", "0000000000", "12345", "٠١٠١٢٣٤٥٦٧٨", "010-1234–5678", "+1234567", "+12345678", "+123456789012345", "()",
    "+1234567890123456", "00" + "1" * 15, "+44 (0)7911 123456", "(+44) (0)7911 123456", "(0)10 1234 5678",
    "+20 (0)10 1234 5678",
    "447911123456", "12125550100", "4479111234", "21" + "1" * 9, "21" + "1" * 8, "1" * 15, "1" * 16,
    "+44 (0)(0)7911 1234", "(0)", "+0101234567", "++201012345678", "2001012345678", "01012345678\u0000",
]  # fmt: skip
WORDS = [
    "call", "sms", "completed", "COMPLETED", "Local", "Bill Payment", "AG1248", "AG0",
    "EGP", "egp", "XXX", "ZZZ", "true", "TRUE", "False", "yes", "CELL00001",
    "INVALID_CELL", "358462791234560", "358462791234567", "3584627912", "35846279ABCDEF1", "35846279123456",
    "3584627912345678", "0" * 14, "0" * 15, "0" * 14 + "42", "N/A",
    "869453031234561", "35846279",
    "٣٥٨٤٦٢٧٩", "", " ", "\u00a0", "\t", "\u200b", "\x1f", "\x1f61", "\u180e", "\u2028x\u2028",
    "a\\b", 'a"b', "a/b", "\x00", "é😀",
    "{", "}]", ",}", "nan}", "null",
]  # fmt: skip
_BOOLEANS = ["true", "false", '"TRUE"', '" false\u2003"', '"True"', "0", "1", '"1"', '"yes"']
_TEXTS = {"time": TIMES, "date": TIMES, "phone": PHONES}
_CALLED = {
    "timestamp": '"2026-03-01 10:15:00"', "from.phone_number": '"01012345678"', "to.phone_number": '"+201112345678"',
    "from.cell_site": '"CELL00001"', "from.imei": '"358462791234560"', "billing_info.amount": "0.16",
    "billing_info.currency": '"EGP"',
}  # fmt: skip
_BILLED = {
    "timestamp": "1772352900000", "status": '"success"', "customer": '"01012345678"', "phone_number": '"+201012345678"',
    "payment_method": '"Cash"', "transaction_id": "17", "billing_info.amount": "50", "billing_info.currency": '"EGP"',
}  # fmt: skip
# What is accepted as it stands; faults are put into it.
_GOOD = {
    "calls": {
        **_CALLED, "event_type": '"call"', "status": '"completed"', "call_duration_seconds": "61", "call_type": '"Local"',
    },
    "sms": {
        **_CALLED, "event_type": '"sms"', "status": '"sent"', "to.cell_site": '"CELL00002"', "to.imei": '"869453031234561"',
        "body": '"Hello!"', "network_metrics.latency_ms": "120", "network_metrics.handover_success": "true",
    },
    "payment": {
        **_BILLED, "event_type": '"payment"', "payment_type": '"Bill Payment"', "payment_amount": "50.5",
        "invoice_number": '"INV1"',
    },
    "recharge": {
        **_BILLED, "event_type": '"recharge"', "recharge_amount": '"50"', "balance_before": "0", "balance_after": "50.0",
    },
    "support": {
        "event_type": '"support"', "timestamp": '"2026-03-01T08:15:00Z"', "customer": '"01012345678"',
        "phone_number": '"01012345678"', "channel": '"chat"', "reason": '"billing"', "wait_time_seconds": "0",
        "resolution_time_seconds": '"300"', "agent_id": '"AG1248"', "satisfaction_score": "5", "escalated": "false",
    },
    "users": {"phone_number": '"01012345678"'},
    "devices": {"tac": '"35846279"'},
    "cell_sites": {"cell_id": '"CELL00001"'},
    "agents": {"agent_id": '"AG1248"'},
}  # fmt: skip
# Names that no contract knows, or not this one, and groups where they are no objects.
_OTHER_NAMES = [
    "imei",
    "event_id",
    "from",
    "billing_info",
    "qos_metrics",
    "network_metrics",
    "unnamed",
    "from.imei",
    "status",
]
_SPACES = ["", "", "", " ", "\n", "\r\n\t "]

Members = list[tuple[str, Any]]


@cache
def quoted(text: str) -> st.SearchStrategy[str]:
    """A JSON string in one of its spellings."""
    units = text.encode("utf-16-be", "surrogatepass")
    escaped = "".join(f"\\u{units[i]:02x}{units[i + 1]:02X}" for i in range(0, len(units), 2))
    raw = json.dumps(text, ensure_ascii=False)
    return st.sampled_from([raw, raw, json.dumps(text), f'"{escaped}"', raw.replace("/", "\\/")])


@cache
def _texts() -> st.SearchStrategy[str]:
    pool = st.sampled_from([*NUMBERS, *_NOT_NUMBERS, *TIMES, *PHONES, *WORDS])
    padded = st.builds(lambda before, text, after: before + text + after, _PADS, pool, _PADS)
    return st.one_of(pool, padded, st.text(st.characters(exclude_categories=["Cs"]), max_size=6)).flatmap(quoted)


_PADS = st.sampled_from(["", " ", "\t", "\u00a0", "\u2003", "\u200b", "\n", "\x1c"])
_DIGITS = st.text("0123456789", min_size=1, max_size=22)


@cache
def _numbers() -> st.SearchStrategy[str]:
    built = st.builds(
        lambda sign, whole, fraction, exponent: sign + (whole.lstrip("0") or "0") + fraction + exponent,
        st.sampled_from(["", "", "-"]),
        _DIGITS,
        st.one_of(st.just(""), _DIGITS.map(lambda d: "." + d)),
        st.one_of(st.just(""), st.integers(-30, 30).map(lambda e: f"e{e:+d}"), st.just("E5")),
    )
    return st.one_of(st.sampled_from(NUMBERS), built)


@cache
def _close_to_rounding() -> st.SearchStrategy[str]:
    return st.builds(lambda whole, part: f"{whole}.{part:03d}5", st.integers(0, 10**10), st.integers(0, 999)).map(
        lambda number: number.replace(".", ".0")
    )


@cache
def values() -> st.SearchStrategy[str]:
    """JSON texts: mostly single values, now and then an array or an object."""
    leaf = st.one_of(
        _texts(),
        _numbers(),
        _numbers().map(lambda number: f'"{number}"'),
        _close_to_rounding(),
        _close_to_rounding().map(lambda number: f'"{number}"'),
        st.sampled_from(
            ["null", "true", "false", "{}", "[]", "[1]", "[null]", '{"a": 1, "a": {}}', '[{"b": []}]', '""']
        ),
    )
    return leaf


@cache
def _suitable(field: Field) -> st.SearchStrategy[str]:
    """JSON texts that the field's rules look at closely."""
    if field.domain:
        return st.sampled_from(field.domain).flatmap(quoted)
    if field.type in _TEXTS:
        return st.sampled_from(_TEXTS[field.type]).flatmap(quoted)
    if field.type == "bool":
        return st.sampled_from(_BOOLEANS)
    if field.type in ("int", "double", "money"):
        return st.one_of(_numbers(), _numbers().map(lambda number: f'"{number}"'), st.sampled_from("0123456"))
    return st.sampled_from(WORDS).flatmap(quoted)


@cache
def _changes(source: str) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Names, nested ones dotted, with the JSON texts to put there."""
    # the spelling that comes first twice: what loses against it says little
    paths = {".".join(path): f for f in FIELDS[source] for path in f.spellings}
    names = [*paths, *(".".join(f.spellings[0]) for f in FIELDS[source]), *_OTHER_NAMES]

    def change(name: str) -> st.SearchStrategy[tuple[str, str]]:
        text = st.one_of(values(), _suitable(paths[name])) if name in paths else values()
        return st.tuples(st.just(name), text)

    return st.lists(st.sampled_from(names).flatmap(cache(change)), max_size=5)


@st.composite
def members(draw: st.DrawFn, source: str) -> Members:
    """A message's members in order: names with JSON texts, groups as lists of members. Names may repeat."""
    chosen = dict(_GOOD[source])
    if source in EVENTS:
        chosen["sid"] = f'"CA{draw(st.integers(0, 5))}"'
    listed = list(chosen.items())
    for name, text in draw(_changes(source)):
        way = draw(st.sampled_from(["replace", "replace", "add", "first", "remove"]))
        if way in ("replace", "remove"):
            listed = [(n, t) for n, t in listed if n != name]
        if way != "remove":
            listed.insert(0 if way == "first" else len(listed), (name, text))
    return _nested(draw, listed)


def _nested(draw: st.DrawFn, listed: list[tuple[str, str]]) -> Members:
    """Dotted names into groups; a group may fall into two, or its field be spelt flat."""
    made: Members = []
    groups: dict[str, Members] = {}
    splitting = draw(st.integers(0, 9)) == 0
    flat_group = draw(st.sampled_from(["", "", "from", "billing_info", "qos_metrics", "network_metrics"]))
    for name, text in listed:
        group, _, member = name.partition(".")
        if not member:
            made.append((name, text))
        elif group == flat_group:
            made.append((f"{group}_{member}" if group in ("from", "to") else member, text))
        else:
            if group not in groups or (splitting and draw(st.booleans())):
                groups[group] = []
                made.append((group, groups[group]))
            groups[group].append((member, text))
    return made


def rendered(draw: st.DrawFn, listed: Members) -> str:
    """The members as an object's text; now and then with white space here and there, and names spelt by escapes."""
    if draw(st.integers(0, 4)):
        return _plainly(listed)
    spaces = st.sampled_from(_SPACES)
    parts = []
    for name, value in listed:
        spelt = json.dumps(name) if draw(st.integers(0, 4)) else draw(quoted(name))
        text = value if isinstance(value, str) else rendered(draw, value)
        parts.append(f"{draw(spaces)}{spelt}{draw(spaces)}:{draw(spaces)}{text}{draw(spaces)}")
    return draw(spaces) + "{" + (",".join(parts) or draw(spaces)) + "}" + draw(spaces)


def _plainly(listed: Members) -> str:
    parts = (f"{json.dumps(name)}: {v if isinstance(v, str) else _plainly(v)}" for name, v in listed)
    return "{" + ", ".join(parts) + "}"


@st.composite
def documents(draw: st.DrawFn, source: str) -> bytes:
    """A message that is JSON, with whatever values."""
    return rendered(draw, draw(members(source))).encode("utf-8")


_BROKEN = [
    b"", b"[1, 2]", b"{}{}", b"{} {}", b"null", b'"{}"', b"\x00\x01 hello", b'{"sid": "\xff\xfe"}', b'{"sid": "\xed\xa0\x80"}',
    b'{"sid": "\xc0\xaf"}', b'{"sid": "\\ud800"}', b'{"\\udc00": 1}', b'{"sid": 1, "sid": "\\ud800"}',
    b'{"sid": "\\ud83d\\ude00"}',
    b'{"sid": NaN}', b'{"x": [Infinity]}', b'{"x": -Infinity}', b'{"sid": 1,}', b'{"x": [1,]}', b"{'sid': 1}", b"{sid: 1}",
    b'{"sid": 01}', b'{"sid": .5}', b'{"sid": 5.}', b'{"sid": +1}', b'{"sid": 0x1}', b'{"sid": "a\tb"}', b'{"sid": "a\nb"}',
    b'{"sid": "\\x41"}', b'{"sid": "\\u00g0"}', b'{"sid": 1} // c', b'/* c */ {"sid": 1}', b'{"sid": 1}\x00', b"\x0c{}",
    b"{}\xc2\xa0",
    b'{"sid" 1}', b'{"sid":: 1}', b'{"sid": tru}', b'{"sid": True}', b'{"sid": "x"', b'{"from": []}',
    b'{"from": [1], "sid": "x"}',
    b'{"a":' * 63 + b"{}" + b"}" * 63, b'{"a":' * 64 + b"{}" + b"}" * 64, b'{"a":' + b"[" * 63 + b"]" * 63 + b"}",
    b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", b'{"a": "' + b"[" * 80 + b'"}', b"[" * 5000,
    b'{"sid": 1, "sid": ' + b"[" * 64 + b"]" * 64 + b"}",
]  # fmt: skip


@st.composite
def mutations(draw: st.DrawFn, source: str) -> bytes:
    """A message with something wrong in its bytes, or so it may be."""
    message = draw(documents(source))
    kind = draw(
        st.sampled_from(["cut", "insert", "delete", "replace", "comma", "nan", "bom", "twice", "surrogate", "inner"])
    )
    at = draw(st.integers(0, len(message)))
    if kind == "cut":
        return message[:at]
    if kind == "insert":
        return message[:at] + draw(st.binary(min_size=1, max_size=2)) + message[at:]
    if kind == "delete":
        return message[:at] + message[at + 1 :]
    if kind == "replace":
        return (
            message[:at]
            + draw(st.sampled_from([b"}", b"{", b"]", b'"', b",", b":", b"\\", b" ", b"0", b"\x00"]))
            + message[at + 1 :]
        )
    if kind == "comma":
        closing = message.rfind(b"}", 0, max(at, 1)) if draw(st.booleans()) else message.rfind(b"}")
        return message[:closing] + draw(st.sampled_from([b",", b" , ", b",\n"])) + message[closing:]
    if kind == "nan":
        odd = draw(st.sampled_from([b"NaN", b"Infinity", b"-Infinity", b"nan", b"061", b"61."]))
        return re.sub(rb": [0-9.]+", b": " + odd, message, count=1)
    if kind == "bom":
        return b"\xef\xbb\xbf" + message
    if kind == "twice":
        return message + draw(st.sampled_from([b"", b" ", b","])) + message
    if kind == "surrogate":
        odd = draw(st.sampled_from([b"\\ud800", b"\\udc00\\ud800", b"\\ud83d\\ude00", b"\\\\ud800"]))
        return message.replace(b': "', b': "' + odd, draw(st.integers(1, 3)))
    return message.replace(b'"', b"'") if at % 2 else message.replace(b"{", b"[", 1)


@cache
def messages(source: str) -> st.SearchStrategy[bytes | None]:
    """What can arrive: mostly JSON, also anything else."""
    return st.one_of(
        documents(source),
        documents(source),
        documents(source),
        mutations(source),
        st.sampled_from(_BROKEN),
        st.binary(max_size=12),
        st.none(),
    )
