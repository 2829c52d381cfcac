"""One subscriber: found by number, user id or name, with the history of the number."""

from typing import Any

from lakehouse.dashboard.answers import Answer
from lakehouse.dashboard.panels import Panels
from lakehouse.dashboard.query import Query
from streams.number_plan import e164

_SHOWN = "phone_number, user_id, name, city, plan_type, status, is_inferred, is_deleted"
_FOUND = 20
_PROFILE = (
    "select phone_number, user_id, name, email, address, city, plan_type, gender, age_group, status, activation_date,"
    " valid_from, valid_to, is_current, is_inferred, is_deleted, effective_from, updated_at"
    " from gold.dim_user where phone_number = {phone:String} order by valid_from desc"
)


def normalised(text: str) -> str:
    """A number in E.164 by the operator's number plan; a text that is none, as it stands."""
    return e164(text) or "".join(c for c in text if c not in " ()-\t\u00a0")


def find(panels: Panels, text: str) -> dict[str, Any]:
    """Numbers whose number or user id is the text, or whose name holds it; at most 20."""
    wanted = text.strip()
    query = Query(
        f"select {_SHOWN} from gold.dim_user where is_current and phone_number is not null and (phone_number = {{phone:String}}"
        " or user_id = {text:String} or positionCaseInsensitiveUTF8(ifNull(name, ''), {text:String}) > 0)"
        f" order by phone_number = {{phone:String}} desc, name, phone_number limit {_FOUND}",
        {"phone": normalised(wanted), "text": wanted},
        texts=("phone_number", "user_id", "name", "city", "plan_type", "status"),
    )
    return _told(panels.ask(query))


def profile(panels: Panels, phone: str) -> dict[str, Any]:
    """All versions of a number, the newest first."""
    texts = (
        "phone_number",
        "user_id",
        "name",
        "email",
        "address",
        "city",
        "plan_type",
        "gender",
        "age_group",
        "status",
    )
    return _told(panels.ask(Query(_PROFILE, {"phone": normalised(phone)}, texts=texts)))


def _told(answer: Answer) -> dict[str, Any]:
    return {"columns": answer.columns, "rows": answer.rows, "cut": answer.cut}
