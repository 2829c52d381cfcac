"""The kinds of value a contract can name, each read by one function over a column."""

from streams.rules.numbers import read_bool, read_double, read_int, read_money
from streams.rules.reading import Context, Raw, Reader, Reading
from streams.rules.text import read_currency, read_imei, read_phone, read_string, read_tac
from streams.rules.times import read_date, read_time

READERS: dict[str, Reader] = {
    "string": read_string,
    "int": read_int,
    "double": read_double,
    "money": read_money,
    "bool": read_bool,
    "time": read_time,
    "date": read_date,
    "phone": read_phone,
    "imei": read_imei,
    "tac": read_tac,
    "currency": read_currency,
}

__all__ = ["READERS", "Context", "Raw", "Reader", "Reading"]
