"""What is accepted with a doubt: from a contract's fields, a defect for each quality warning that it can give."""

from collections.abc import Iterator
from typing import Literal

from sources.faults import Change, Defect, Message, get, meeting, put, putting
from sources.rhythm import ClockChange
from sources.rule_faults import UNREADABLE, WRONG_TYPE, beyond
from streams.contract import Contract, Field

# 49… belongs to no reporting body in the population; the number has a right Luhn digit
_UNKNOWN_IMEI = "490154203237518"
_UNKNOWN = {"cell_sites": ("INVALID_CELL", "CELL99999"), "agents": ("INVALID_AGENT", "AG99999")}


def warning_faults(contract: Contract) -> tuple[Defect, ...]:
    """Defects named `warning:<word>_<field>` (`warning:unknown_from_imei`), and the two of the clock changes."""
    found = [defect for field in contract.fields for defect in _faults(contract, field)]
    return (*found, _clock_change("skipped"), _clock_change("repeated"))


def _faults(contract: Contract, field: Field) -> Iterator[Defect]:
    if field.type == "imei":
        yield _warning("luhn", field, _wrong_luhn(contract, field))
    if field.known_in:
        values = (_UNKNOWN_IMEI,) if field.type == "imei" else _UNKNOWN[field.known_in]
        yield _warning("unknown", field, putting(field, values))
    if field.plausible:
        yield _warning("range", field, putting(field, beyond(field.plausible, field.type)))
    if field.type == "money":
        yield _warning("rounded", field, _fifth_decimal(field))
    if not (field.required or field.ruled):
        change = putting(field, (*WRONG_TYPE.get(field.type, ()), *UNREADABLE.get(field.type, ())))
        if field.required_if:
            change = meeting(contract, field.required_if, change, met=False)
        yield _warning("type", field, change)


def _warning(word: str, field: Field, change: Change) -> Defect:
    return Defect(f"warning:{word}_{field.name}", warnings=(f"{word}:{field.name}",), change=change)


def _wrong_luhn(contract: Contract, field: Field) -> Change:
    """One of the message's own IMEIs, so that its TAC is known, with another last digit."""
    imeis = [f for f in contract.fields if f.type == "imei"]

    def change(message: Message, turn: int, clock: ClockChange) -> None:
        imei = next(value for value in (get(message, f) for f in imeis) if value)
        put(message, field, imei[:-1] + str((int(imei[-1]) + 1 + turn % 9) % 10))

    return change


def _fifth_decimal(field: Field) -> Change:
    """Rounding takes away what is added here: the sum of amounts stays that of the good events."""
    return lambda message, turn, clock: put(message, field, f"{get(message, field):.2f}004")


def _clock_change(name: Literal["skipped", "repeated"]) -> Defect:
    def change(message: Message, turn: int, clock: ClockChange) -> None:
        message["timestamp"] = getattr(clock, name)

    return Defect(f"warning:dst_{name}", warnings=("dst:timestamp",), change=change, needs=name)
