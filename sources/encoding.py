"""From columns to the JSON messages that source systems send."""

import polars as pl


def money(name: str, alias: str | None = None) -> pl.Expr:
    """A column of hundredths as a JSON number with at most two decimals."""
    return (pl.col(name) / 100).round(2).alias(alias or name)


def billing() -> pl.Expr:
    """The group `billing_info` from the columns `amount` (hundredths) and `currency`."""
    return pl.struct(money("amount"), "currency").alias("billing_info")


def side(name: str) -> pl.Expr:
    """One end of a call or a text message, `from` or `to`: number, cell and handset."""
    fields = ("phone_number", "cell_site", "imei")
    return pl.struct(pl.col(f"{name}_{field}").alias(field) for field in fields).alias(name)


def group(name: str, *members: str) -> pl.Expr:
    """Columns as the members of one JSON object."""
    return pl.struct(*members).alias(name)


def encode(events: pl.DataFrame, event_type: str, *members: str | pl.Expr) -> pl.DataFrame:
    """Columns `key` (the customer's number) and `value` (JSON as bytes), and of sources with money `amount` and `currency`.

    Args:
        members: of the message, in their order, after its event type.
    """
    message = pl.struct(pl.lit(event_type).alias("event_type"), *members)
    return events.select(
        pl.col("customer").alias("key"),
        message.struct.json_encode().cast(pl.Binary).alias("value"),
        *(name for name in ("amount", "currency") if name in events.columns),
    )
