"""The operator's number plan, from its file; and one number read by it, the slow way (the kernel reads columns)."""

import re
from dataclasses import dataclass
from functools import cache

import yaml

from lakehouse.paths import data_file
from streams.contract import FOLDER
from streams.message import WHITE_SPACE, trimmed

# Dialled at home only: `+44 (0)7911 123456`. At the beginning of a number it is one of its digits.
_TRUNK_ZERO = "(0)"


@dataclass(frozen=True)
class Rule:
    """What matches, and how it becomes E.164: a prefix before what is kept.

    Attributes:
        keep_last: how many last characters are kept; else what follows the first of the beginnings that is there.
    """

    pattern: str
    prefix: str
    keep_last: int | None = None
    keep_after: tuple[str, ...] = ()


@cache
def rules() -> tuple[Rule, ...]:
    """The rules in the order in which they are tried."""
    lines = yaml.safe_load(data_file(FOLDER, "number_plan.yaml").read_text())
    return tuple(
        Rule(line["pattern"], line["prefix"], line.get("keep_last"), tuple(line.get("keep_after", ())))
        for line in lines
    )


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
