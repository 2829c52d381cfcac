"""The tables of contracts.md, line by line, for the reference reading: written down anew, not read from the engine's files."""

from dataclasses import dataclass

_SHORT = (
    "sid", "status", "agent_id", "user_id", "transaction_id", "invoice_number", "from_cell_site", "to_cell_site", "cell_id",
    "phone_number", "customer",
)  # fmt: skip


@dataclass(frozen=True)
class Field:
    """A line of a contract's table.

    Attributes:
        required_if: another field and the value of it that makes this one required.
        low, high: bounds that belong to the range; `above` is one that does not.
        likely: bounds outside which the value is not plausible.
        known_in: the reference source whose records name the value.
    """

    name: str
    type: str
    required: bool = False
    domain: tuple[str, ...] = ()
    required_if: tuple[str, str] | None = None
    low: int | None = None
    high: int | None = None
    above: int | None = None
    likely: tuple[float, float] | None = None
    group: str = ""
    member: str = ""
    alias: str = ""
    column: str = ""
    known_in: str = ""

    @property
    def ruled(self) -> bool:
        bounded = (self.low, self.high, self.above) != (None, None, None)
        by_type = self.type in ("phone", "currency") or (self.required and self.type in ("imei", "tac"))
        return bool(self.domain) or bounded or by_type

    @property
    def longest(self) -> float:
        """Bytes that its text may have."""
        if self.type in ("phone", "imei", "tac", "currency", "time") or self.name in _SHORT:
            return 512
        return 8192 if self.type == "string" else float("inf")

    @property
    def spellings(self) -> list[tuple[str, ...]]:
        nested = [(self.group, self.member or self.name)] if self.group else []
        return [*nested, (self.name,), *([(self.alias,)] if self.alias else [])]


def _beginning(event_type: str) -> tuple[Field, ...]:
    return (
        Field("event_type", "string", True, (event_type,)),
        Field("sid", "string", True, column="event_id"),
        Field("timestamp", "time", True, column="event_time"),
    )


def _sides(member: str, kind: str, required: bool, known_in: str = "") -> tuple[Field, ...]:
    return tuple(
        Field(f"{side}_{member}", kind, required, group=side, member=member, known_in=known_in)
        for side in ("from", "to")
    )


def _strings(*names: str, required: bool = False) -> tuple[Field, ...]:
    return tuple(Field(name, "string", required) for name in names)


_PLAUSIBLE = {
    "mos_score": (0, 5), "packet_loss_percent": (0, 100), "jitter_ms": (0, 86400000), "latency_ms": (0, 86400000),
    "signal_strength_dbm": (-300, 100), "throughput_mbps": (0, 10000000), "seasonal_multiplier": (0, 1000000),
    "risk_score": (-1000000000, 1000000000),
}  # fmt: skip


def _metrics(group: str, kind: str, *names: str) -> tuple[Field, ...]:
    return tuple(Field(name, kind, group=group, likely=_PLAUSIBLE.get(name)) for name in names)


_CUSTOMER = (Field("customer", "phone", True), Field("phone_number", "phone", True))
_CURRENCY = Field("currency", "currency", True, group="billing_info")
[_MULTIPLIER] = _metrics("", "double", "seasonal_multiplier")
_CALL_STATUSES = ("initiated", "ringing", "in-progress", "completed", "failed", "busy", "no-answer")
_PAYMENT_TYPES = ("Bill Payment", "Subscription", "Plan Upgrade", "Service Fee", "Late Fee")
CALLS = (
    *_beginning("call"),
    Field("status", "string", True, _CALL_STATUSES),
    *_sides("phone_number", "phone", True),
    *_sides("cell_site", "string", False, "cell_sites"),
    *_sides("imei", "imei", False, "devices"),
    Field("call_duration_seconds", "int", True, low=0, high=86400),
    Field("amount", "money", True, low=0, group="billing_info"),
    _CURRENCY,
    Field("call_type", "string", True, ("Local", "International")),
    *_metrics("qos_metrics", "double", "mos_score", "jitter_ms", "packet_loss_percent"),
    *_metrics("qos_metrics", "string", "codec"),
    *_strings("behavior_profile", "fraud_indicator"),
    *_metrics("", "int", "risk_score"),
    _MULTIPLIER,
    *_strings("phone_number", "customer"),
)
SMS = (
    *_beginning("sms"),
    Field("status", "string", True, ("queued", "sending", "sent", "delivered", "failed")),
    *_sides("phone_number", "phone", True),
    *_sides("cell_site", "string", True, "cell_sites"),
    *_sides("imei", "imei", True, "devices"),
    Field("body", "string", True),
    Field("amount", "money", True, low=0, group="billing_info"),
    _CURRENCY,
    *_metrics("network_metrics", "int", "signal_strength_dbm", "latency_ms"),
    *_metrics("network_metrics", "double", "jitter_ms", "packet_loss_percent", "mos_score", "throughput_mbps"),
    *_metrics("network_metrics", "string", "cell_congestion"),
    *_metrics("network_metrics", "bool", "handover_success"),
    Field("registration_date", "date"),
    _MULTIPLIER,
    *_strings("phone_number", "customer"),
)
PAYMENT = (
    *_beginning("payment"),
    Field("status", "string", True, ("success", "pending", "failed", "refunded")),
    *_CUSTOMER,
    Field("payment_type", "string", True, _PAYMENT_TYPES),
    Field("payment_amount", "money", True, above=0),
    *_strings("payment_method", "transaction_id", required=True),
    Field("amount", "money", True, above=0, group="billing_info"),
    _CURRENCY,
    Field("invoice_number", "string", required_if=("payment_type", "Bill Payment")),
    _MULTIPLIER,
)
RECHARGE = (
    *_beginning("recharge"),
    Field("status", "string", True, ("success", "pending", "failed", "processing")),
    *_CUSTOMER,
    Field("recharge_amount", "money", True, above=0),
    Field("balance_before", "money", True, low=0),
    Field("balance_after", "money", True, low=0),
    *_strings("payment_method", "transaction_id", required=True),
    Field("amount", "money", True, above=0, group="billing_info"),
    _CURRENCY,
    _MULTIPLIER,
)
SUPPORT = (
    *_beginning("support"),
    *_CUSTOMER,
    Field("channel", "string", True, ("phone", "chat", "email", "store", "social_media", "ivr")),
    Field("reason", "string", True),
    Field("wait_time_seconds", "int", True, low=0, high=31622400),
    Field("resolution_time_seconds", "int", True, low=0, high=31622400),
    Field("agent_id", "string", True, known_in="agents"),
    Field("satisfaction_score", "int", low=1, high=5),
    Field("first_call_resolution", "bool"),
    Field("escalated", "bool"),
    Field("call_back_requested", "bool"),
)
_EFFECTIVE = Field("effective_from", "time")
USERS = (
    Field("phone_number", "phone", True, alias="msisdn"),
    *_strings("user_id", "name", "email", "address", "city"),
    Field("plan_type", "string", alias="customer_type"),
    *_strings("gender", "age_group", "status"),
    Field("activation_date", "date"),
    _EFFECTIVE,
)
DEVICES = (
    Field("tac", "tac", True),
    *_strings("brand", "model"),
    Field("os_version", "string", alias="os"),
    Field("is_smartphone", "bool"),
    _EFFECTIVE,
)
CELL_SITES = (
    Field("cell_id", "string", True),
    *_strings("site_name", "city", "region"),
    Field("latitude", "double", low=-90, high=90),
    Field("longitude", "double", low=-180, high=180),
    _EFFECTIVE,
)
AGENTS = (
    Field("agent_id", "string", True),
    *_strings("name", "department", "email", "city", "status"),
    _EFFECTIVE,
)
EVENTS = {"calls": CALLS, "sms": SMS, "payment": PAYMENT, "recharge": RECHARGE, "support": SUPPORT}
REFERENCES = {"users": USERS, "devices": DEVICES, "cell_sites": CELL_SITES, "agents": AGENTS}
FIELDS = {**EVENTS, **REFERENCES}
