"""What becomes of texts, phones, handsets and currencies: (what arrives, what the column holds, what is said)."""

from tests.conformance.judging import NOT_TEXT_NOR_NUMBER, J, Table

STRING: Table = [
    ("completed", "completed", None),
    ("  completed\u00a0\u3000\t", "completed", None),
    ("in  side", "in  side", None),
    ("\u200b", "\u200b", None),  # no white space by Unicode's property
    ("\x1f", "\x1f", None),  # Python's strip() would take it
    ("a\x00b", "a\x00b", None),
    ('quo"te \\ / \u00e9 \U0001f600', 'quo"te \\ / \u00e9 \U0001f600', None),
    (J(r'"\u0063\ud83d\ude00\/"'), "c\U0001f600/", None),
    ("61.0", "61.0", None),
    (61, "61", None),
    (J("61.0"), "61", None),
    (J("6.1e1"), "61", None),
    (J("-0"), "0", None),
    (2**63 - 1, str(2**63 - 1), None),
    (-(2**63), str(-(2**63)), None),
    (2**63, None, "type"),
    (J("61.7"), None, "type"),
    (J("61.00000000000000000001"), None, "type"),
    (J("1e-400"), None, "type"),
    (J("1e400"), None, "type"),
    *NOT_TEXT_NOR_NUMBER,
]
PHONE: Table = [
    *[
        (number, "+201012345678", None)
        for number in ("01012345678", "+201012345678", "00201012345678", "201012345678", "1012345678", "+2001012345678",
                       "002001012345678", "  (010) 1234-5678 ", "010\u00a01234\u20095678", "+20\t10 123-456-78",
                       "-(0)1012345678", 1012345678,
                       201012345678, J("1012345678.0"))
    ],
    *[(f"01{operator}12345678", f"+201{operator}12345678", None) for operator in "0125"],
    ("+447911123456", "+447911123456", None),
    ("00447911123456", "+447911123456", None),
    ("+12345678", "+12345678", None),
    ("+123456789012345", "+123456789012345", None),
    ("+2112345678", "+2112345678", None),
    ("+21" + "1" * 13, "+21" + "1" * 13, None),
    *[
        (number, number.strip(), "invalid")
        for number in ("0000000000", "01312345678", "0101234567", "010123456789", "+20123456789", "+2021234567",
            "447911123456", " 12345 ",
                       "+1234567", "+1234567890123456", "+0447911123456", "+200212345678", "++201012345678",
                       "010 12345678x", "anonymous",
                       "٠١٠١٢٣٤٥٦٧٨", "\uff10\uff11\uff1012345678", "010\u200b12345678", "010\u201312345678",
                       "010.1234.5678", "()", "+")
    ],
    (47911123456, "47911123456", "invalid"),
    (J("1012345678.5"), None, "type"),
    (2**63, None, "type"),
    *NOT_TEXT_NOR_NUMBER,
]  # fmt: skip
IMEI: Table = [
    ("358462791234560", "358462791234560", None),
    (" 358462791234560\n", "358462791234560", None),
    (358462791234560, "358462791234560", None),
    (J("3.5846279123456e14"), "358462791234560", None),
    ("000000000000000", "000000000000000", None),
    *[("35846279123456" + digit, "35846279123456" + digit, "luhn") for digit in "123456789"],
    *[
        (text, text, "invalid")
        for text in (
            "3584627912",
            "3584627912345600",
            "35846279123456A",
            "35 846279 123456 0",
            "٣٥٨٤٦٢٧٩١٢٣٤٥٦٠",
            "35846279-1234560",
        )
    ],
    (3584627912, "3584627912", "invalid"),
    (J("358462791234560.5"), None, "type"),
    *NOT_TEXT_NOR_NUMBER,
]
TAC: Table = [
    ("35846279", "35846279", None),
    (35846279, "35846279", None),
    *[(text, text, "invalid") for text in ("3584627", "358462790", "3584627A", "٣٥٨٤٦٢٧٩")],
    (1234567, "1234567", "invalid"),
    *NOT_TEXT_NOR_NUMBER,
]
CURRENCY: Table = [
    *[(code, code, None) for code in ("EGP", "USD", "XXX", "XAU", "XTS", "CHW", "BOV")],
    (" EGP ", "EGP", None),
    *[(code, code, "domain") for code in ("egp", "Egp", "ZZZ", "EG", "E GP", "ЕGP", "\u00a3")],
    (818, "818", "domain"),
    *NOT_TEXT_NOR_NUMBER,
]
