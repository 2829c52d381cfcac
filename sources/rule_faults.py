"""What breaks a rule: from a contract's fields, a defect for each code that the contract can give."""

from collections.abc import Iterator, Sequence
from typing import Any

from sources.faults import REMOVED, Defect, Message, meeting, putting, together
from sources.rhythm import ClockChange
from streams.contract import Contract, Field, contracts
from streams.contract_file import Range

_BLANK = (None, REMOVED, "", "  \t ", "\u00a0")
# values that a type cannot read; all types with a string at the bottom answer the same with `type:`
_NO_TEXT: tuple[Any, ...] = (True, 3.5, {"is": "that"}, ["one", "two"])
WRONG_TYPE: dict[str, tuple[Any, ...]] = {
    "string": _NO_TEXT,
    "phone": _NO_TEXT,
    "imei": _NO_TEXT,
    "tac": _NO_TEXT,
    "currency": _NO_TEXT,
    # the last but one is beyond 64 bits
    "int": ("sixty", 61.7, True, "61.7", 1e20, {"seconds": 61}),
    "double": ("good", True, "1,5", {"of": 9}),
    "money": ("free", True, "+5", "05", [1], {"value": 1}),
    "bool": (0, 1, "yes", {"is": True}),
}
# texts of the right type that no pattern knows
UNREADABLE: dict[str, tuple[Any, ...]] = {
    # seconds instead of milliseconds, a fraction of a minute, 14 digits that are no time
    "time": ("2025-13-45 25:99:99", "yesterday", 1772352900, "2026-03-01 10:15.5", 20261301101500, True),
    "date": ("2025-02-30", "yesterday", 20260301, True),
    # zeros, a digit too few, an unknown prefix, another script's digits, a word
    "phone": ("0000000000", "+20123456789", "01312345678", " 12345 ", "٠١٠١٢٣٤٥٦٧٨", "private"),
    # ten digits, hexadecimal digits, a digit more than an IMEISV has, zeros
    "imei": ("3584627912", "35846279ABCDEF1", "35846279123456012", "000000000000000"),
    "tac": ("3584627", "3584627A"),
}
_OLD_OR_FUTURE = ("1970-01-01 00:00:00", "2099-01-01 00:00:00", "2019-12-31T12:00:00Z")
_NO_CURRENCY = ("ZZZ", "egp", "pounds", 818)
# words of the codes together, each taken from another field
_TOGETHER = (("missing", "range"), ("invalid", "domain"), ("type", "missing"), ("domain", "type", "invalid", "range"))


def rule_faults(contract: Contract) -> tuple[Defect, ...]:
    """One defect a code, named by it, in the contract's order of words and fields; then several codes at once."""
    single = sorted((d for f in contract.fields for d in _faults(contract, f)), key=lambda pair: _WORDS.index(pair[0]))
    return (*(defect for _, defect in single), *_several(contract, [d for _, d in single]), *_broken_groups(contract))


_WORDS = ("missing", "type", "invalid", "domain", "range")


def _faults(contract: Contract, field: Field) -> Iterator[tuple[str, Defect]]:
    """A field's defects with the word of their code."""
    for word, values in _values(contract, field):
        code, change = f"{word}:{field.name}", putting(field, values)
        if field.required_if:
            change = meeting(contract, field.required_if, change)
        yield word, Defect(code, codes=(code,), change=change)


def _values(contract: Contract, field: Field) -> Iterator[tuple[str, Sequence[Any]]]:
    """Each word of a code that the field can give, with values that get it."""
    if field.required or field.required_if:
        yield "missing", _BLANK
    if not (field.required or field.required_if or field.ruled):
        return
    if field.type in WRONG_TYPE:
        yield "type", WRONG_TYPE[field.type]
    if field.type in UNREADABLE:
        yield "invalid", UNREADABLE[field.type]
    if field.name == "event_type":
        yield "domain", _other_event_types(contract)
    elif field.domain:
        yield "domain", _outside(field.domain)
    elif field.type == "currency":
        yield "domain", _NO_CURRENCY
    if field.name == "timestamp":
        yield "range", _OLD_OR_FUTURE
    elif field.range:
        yield "range", beyond(field.range, field.type)


def _other_event_types(contract: Contract) -> tuple[str, ...]:
    all_types = [min(c["event_type"].domain or ()) for c in contracts().values() if c.is_event]
    own = min(contract["event_type"].domain or ())
    return (*(name for name in all_types if name != own), own.upper())


def _outside(domain: frozenset[str]) -> tuple[str, ...]:
    """Words that are not in the domain, its own in another case among them."""
    words = ("teleported", "done", *(w for value in sorted(domain) for w in (value.upper(), value.lower())))
    return tuple(word for word in words if word not in domain)


def beyond(limits: Range, kind: str) -> tuple[Any, ...]:
    """Numbers and texts just beyond the bounds and far beyond them."""
    step = 1 if kind == "int" else 0.01
    values: list[Any] = []
    if limits.min is not None:
        values += [limits.min - step, str(int(limits.min) - 5)] + ([int(limits.min)] if limits.above else [])
    if limits.max is not None:
        values += [limits.max + step, str(int(limits.max) * 10)]
    if kind == "money":
        # more than the column holds
        values += [1e15, "100000000000000"]
    return tuple(values)


def _several(contract: Contract, single: Sequence[Defect]) -> Iterator[Defect]:
    """Messages with two and more codes, of different fields."""
    place = {field.name: at for at, field in enumerate(contract.fields)}
    plain = [d for d in single if not contract[_field_of(d)].required_if]
    for number, words in enumerate(_TOGETHER):
        chosen: dict[str, Defect] = {}
        for word in words:
            # each combination begins elsewhere, so that not always the same fields are hit
            candidates = [d for d in plain if d.name.startswith(f"{word}:") and _field_of(d) not in chosen]
            if candidates:
                defect = candidates[(number + len(candidates) // 2) % len(candidates)]
                chosen[_field_of(defect)] = defect
        if len(chosen) > 1:
            in_order = sorted(chosen.values(), key=lambda d: place[_field_of(d)])
            yield together(f"several:{'_and_'.join(words)}", in_order)


def _field_of(defect: Defect) -> str:
    return defect.name.partition(":")[2]


def _broken_groups(contract: Contract) -> Iterator[Defect]:
    """Groups that are no objects: their nested fields are gone, and there are no flat ones."""
    inside = [f for f in contract.fields if f.required and len(f.paths[0]) > 1]
    groups = sorted({f.paths[0][0] for f in inside})

    def change(message: Message, turn: int, clock: ClockChange) -> None:
        for number, group in enumerate(groups):
            message[group] = ("x", [message[group]], 7)[(turn + number) % 3]

    if groups:
        yield Defect("several:no_groups", codes=tuple(f"missing:{f.name}" for f in inside), change=change)
