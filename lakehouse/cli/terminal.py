"""Text of others on a terminal: what would move the cursor, name the window or fill the clipboard is shown, not done."""

import re

# C0 and C1 (ISO 6429) but tab and line feed, and what changes the direction of text (Unicode TR 9, explicit formatting).
_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """The text with such characters written out, as `\\x1b` or `\\u202e`."""
    return _ACTS.sub(lambda found: ascii(found[0])[1:-1], text)
