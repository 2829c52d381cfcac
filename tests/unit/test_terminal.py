"""Text of others does nothing to a terminal."""

import io

from rich.console import Console

from lakehouse.cli.sql_output import blocks, rich_table
from lakehouse.cli.terminal import visible

FORGED = "\x1b]0;PWNED\x07\x1b[2J\x1b]52;c;Y3VybA==\x1b\\\x9b31m\r\x00X\u202eevil\u2066"


def printed(*shown: object) -> str:
    out = io.StringIO()
    Console(file=out, force_terminal=True, color_system=None, width=200).print(*shown)
    return out.getvalue()


def test_what_acts_is_written_out_and_all_else_stays() -> None:
    assert visible("\x1b[2J\x9b\u202e") == r"\x1b[2J\x9b\u202e"
    assert visible("مكالمة é 😀\ttab\nline") == "مكالمة é 😀\ttab\nline"


def test_values_and_names_of_columns_can_do_nothing_in_a_table_or_below_each_other() -> None:
    for text in (printed(rich_table([FORGED], [(FORGED,)])), printed(*blocks([FORGED], [(FORGED,)]))):
        assert not set(text) & set("\x1b\x07\x9b\r\x00\u202e\u2066")
        assert "PWNED" in text
