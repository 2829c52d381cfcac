"""The statement that brings a dimension up to date."""

from lakehouse.gold.models import Model, gold


def merge_statement(model: Model, select: str, touched: str | None) -> str:
    """One MERGE that makes a dimension hold the selected rows, and no others of the touched business keys.

    Repeating it changes nothing. Rows that did not change are left alone, so that copies see what did.

    Args:
        select: the rows of the touched keys as they are to be.
        touched: a query of those keys; None if the rows replace nothing (generated tables).
    """
    sk, key, table, columns = model.surrogate_key, model.business_key, gold(model.table), model.column_list
    names = [c.name for c in model.columns]
    differs = " or ".join(f"t.{n} is distinct from s.{n}" for n in names if n != sk)
    updates = ", ".join(f"{n} = s.{n}" for n in names if n != sk)
    values = ", ".join(f"s.{n}" for n in names)
    present = f"union all\nselect {columns}, true from {table} where {key} in (\n{touched}\n)" if touched else ""
    return f"""merge into {table} t using (
with fresh as (
{select}
),
both as (
select {columns}, false as is_old from fresh
{present}
),
judged as (
select *, is_old and count_if(not is_old) over (partition by {sk}) = 0 as is_gone from both
)
select {columns}, is_gone from judged where not is_old or is_gone
) s on t.{sk} = s.{sk}
when matched and s.is_gone then delete
when matched and ({differs}) then update set {updates}
when not matched then insert ({columns}) values ({values})"""
