"""The operator's number plan, from its file; and one number read by it, the slow way (the kernel reads columns)."""

import re
from functools import cache

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from lakehouse.errors import UsageError
from lakehouse.paths import data_file, read_yaml
from streams.contract import FOLDER, NUMBER_PLAN
from streams.contract_file import first_fault
from streams.message import WHITE_SPACE, trimmed

# Dialled at home only: `+44 (0)7911 123456`. At the beginning of a number it is one of its digits.
_TRUNK_ZERO = "(0)"


class Rule(BaseModel):
    """What matches, and how it becomes E.164: a prefix before what is kept.

    Attributes:
        keep_last: how many last characters are kept; else what follows the first of the beginnings that is there.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    name: str = ""
    pattern: str
    prefix: str
    keep_last: int | None = Field(None, ge=1)
    keep_after: list[str] = []


@cache
def rules() -> tuple[Rule, ...]:
    """The rules in the order in which they are tried.

    Raises:
        UsageError: the file is not understood.
    """
    path = data_file(FOLDER, NUMBER_PLAN)
    raw = read_yaml(path)
    try:
        return tuple(TypeAdapter(list[Rule]).validate_python(raw))
    except ValidationError as error:
        raise UsageError(f"{path}: {first_fault(error, raw)}") from None


def e164(text: str) -> str | None:
    """A number's E.164 form; None where the plan has no rule for it."""
    number = trimmed(text)
    if not number.startswith(_TRUNK_ZERO):
        number = number.replace(_TRUNK_ZERO, "", 1)
    clean = re.sub(f"[{WHITE_SPACE}()-]", "", number)
    for rule in rules():
        if re.fullmatch(rule.pattern.removeprefix("^").removesuffix("$"), clean):
            if rule.keep_last:
                return rule.prefix + clean[-rule.keep_last :]
            begin = next((b for b in rule.keep_after if clean.startswith(b)), "")
            return rule.prefix + clean.removeprefix(begin)
    return None
