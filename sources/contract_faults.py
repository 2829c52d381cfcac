"""Every class of defect of a source, derived from its contract: a new source gets its own without code."""

from sources.faults import Defect
from sources.malformed import MALFORMED
from sources.rule_faults import rule_faults
from sources.spellings import spellings
from sources.warning_faults import warning_faults
from streams.contract import contracts


def source_defects(source: str, zone: str) -> tuple[Defect, ...]:
    """All of them: no JSON object, broken rules, warnings, unusual spellings.

    Args:
        zone: the operator's time zone.
    """
    contract = contracts()[source]
    return (*MALFORMED, *rule_faults(contract), *warning_faults(contract), *spellings(contract, zone))
