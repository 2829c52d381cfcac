"""Building blocks of defects: what is done to one good message, and what the contracts say must become of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sources.rhythm import ClockChange
from streams.contract import Contract, Field
from streams.contract_file import Condition

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


def get(message: Message, field: Field) -> Any:
    """A field's value in the spelling that good messages have."""
    holder: Any = message
    for name in field.paths[0]:
        holder = holder.get(name)
    return holder


def put(message: Message, field: Field, value: Any) -> None:
    """Set a field or, with `REMOVED`, take it out."""
    *groups, name = field.paths[0]
    holder = message
    for group in groups:
        holder = holder[group]
    if value is REMOVED:
        holder.pop(name, None)
    else:
        holder[name] = value


def putting(field: Field, values: Sequence[Any]) -> Change:
    """A change that sets the field to one of the values."""

    def change(message: Message, turn: int, clock: ClockChange) -> None:
        put(message, field, values[turn % len(values)])

    return change


def meeting(contract: Contract, condition: Condition, change: Change, met: bool = True) -> Change:
    """The change, in a message that meets a field's condition, or with `met` false does not."""
    other = contract[condition.field]
    value = condition.value if met else min((other.domain or frozenset()) - {condition.value})

    def changed(message: Message, turn: int, clock: ClockChange) -> None:
        put(message, other, value)
        change(message, turn, clock)

    return changed


def together(name: str, defects: Sequence[Defect]) -> Defect:
    """Several faults in one message; give them in the order of the contract."""
    changes = [defect.change for defect in defects if defect.change]

    def change(message: Message, turn: int, clock: ClockChange) -> None:
        for one in changes:
            one(message, turn, clock)

    return Defect(name, codes=tuple(code for defect in defects for code in defect.codes), change=change)
