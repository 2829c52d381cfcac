"""Building blocks of defects: what is done to one good message, and what the contracts say must become of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sources.rhythm import ClockChange

Message = dict[str, Any]
# changes a message in place; the number picks one of several bad values, the clock changes are for times
Change = Callable[[Message, int, ClockChange], None]
REMOVED: Any = object()


@dataclass(frozen=True)
class Defect:
    """One way in which a message differs from a plain good one.

    Attributes:
        name: `group:kind`, as `--defects` takes it; the group alone means all of its kinds.
        codes: reasons for rejection, in the order of the contract; none if the event is accepted all the same.
        warnings: quality warnings that the event gets.
        change: works on the decoded message.
        rewrite: works on its bytes, after `change`; None instead of bytes is a null value.
        fits_a_line: whether a file of one message a line can hold the result.
        needs: a local time that exists only where the clocks change.
    """

    name: str
    codes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    change: Change | None = None
    rewrite: Callable[[bytes], bytes | None] | None = None
    fits_a_line: bool = True
    needs: Literal["skipped", "repeated"] | None = None

    @property
    def group(self) -> str:
        """The part of the name before the colon."""
        return self.name.partition(":")[0]


def put(message: Message, path: str, value: Any) -> None:
    """Set or, with `REMOVED`, take out the member at a dotted path."""
    *groups, name = path.split(".")
    holder = message
    for group in groups:
        holder = holder[group]
    if value is REMOVED:
        del holder[name]
    else:
        holder[name] = value


def putting(path: str, *values: Any) -> Change:
    """A change that sets the member to one of the values."""

    def change(message: Message, turn: int, clock: ClockChange) -> None:
        put(message, path, values[turn % len(values)])

    return change


def fault(code: str, path: str, *values: Any) -> Defect:
    """A defect named by its code, such as `range:amount`: the member gets one of the values."""
    return Defect(code, codes=(code,), change=putting(path, *values))


def missing(field: str, path: str) -> Defect:
    """A required field that is absent, null or blank."""
    return fault(f"missing:{field}", path, None, REMOVED, "", "  \t ", "\u00a0")


def wrong_text_type(field: str, path: str) -> Defect:
    """What is read as text, but is no text: all types with a string at the bottom answer it with `type:`."""
    return fault(f"type:{field}", path, True, 3.5, {"is": "that"}, ["one", "two"])


def invalid_phone(field: str, path: str) -> Defect:
    """Numbers that no plan knows: zeros, a digit too few, an unknown prefix, other scripts' digits, words."""
    arabic_indic = "٠١٠١٢٣٤٥٦٧٨"
    return fault(
        f"invalid:{field}", path, "0000000000", "+20123456789", "01312345678", " 12345 ", arabic_indic, "private"
    )


def invalid_imei(field: str, path: str) -> Defect:
    """Ten digits, hexadecimal digits, sixteen digits (an IMEISV)."""
    return fault(f"invalid:{field}", path, "3584627912", "35846279ABCDEF1", "3584627912345601")


def together(name: str, *defects: Defect) -> Defect:
    """Several faults in one message; give them in the order of the contract."""
    changes = [defect.change for defect in defects if defect.change]

    def change(message: Message, turn: int, clock: ClockChange) -> None:
        for one in changes:
            one(message, turn, clock)

    return Defect(name, codes=tuple(code for defect in defects for code in defect.codes), change=change)
