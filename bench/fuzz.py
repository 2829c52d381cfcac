"""The kernel against the slow reference on any number of damaged messages: `python -m bench.fuzz --messages 1000000`.

Generated messages of a source, defects included, are cut, joined, and have bytes changed, doubled and taken out; each batch is
read by the kernel and, one message after the other, by `streams.message`. The first difference ends it, and is printed. A test
runs it in small; hypothesis looks for the clever cases (tests/unit/test_decode.py).
"""

import json
import random
import sys
import time
from collections.abc import Sequence
from typing import Any

import click
import polars as pl
import pyarrow as pa

from bench.profile import Collected
from sources.generate import Run, run
from streams import message
from streams.contract import Contract, contracts
from streams.decode import Decoded, Decoder

_BATCH = 2_000
_ODD = [
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\t", b"\n", b"\x00", b"\x1f", b"\x7f", b"\xc2\xa0",
    b"\xe2\x80\x89",
    b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\\u0000", b"\\u00a0", b"\\ud800", b"\\udc00", b"\\ud83d\\ude00",
    b"\\n",
    b"-", b"0", b"00", b".", b"e", b"1e5", b"null", b"true", b"false", b"NaN", b'"sid"', b'"from"', b'"\\u0073id"', b"{}",
    b"[]",
    b'"from":{', b'"":', b"[" * 63, b"]" * 63, b'{"a":' * 62,
]  # fmt: skip


def read_slowly(contract: Contract, sent: Sequence[bytes | None]) -> dict[str, list[Any]]:
    """What `as_lists` gives, by `streams.message`, one message after the other."""
    found: dict[str, list[Any]] = {"malformed": [], "unnamed": []}
    found |= {f"{f.name} {kind}": [] for f in contract.fields for kind in ("text", "bare")}
    named = frozenset(path for path, _ in contract.spellings())
    for raw in sent:
        try:
            members = message.parse(raw)
            found["malformed"].append(False)
        except message.Malformed:
            members = {}
            found["malformed"].append(True)
        found["unnamed"].append(bool(message.unnamed(members, named, contract.groups)))
        for f in contract.fields:
            spelling = message.chosen(members, f.paths)
            text, bare = (None, None) if spelling is None else _texts(spelling[1])
            found[f"{f.name} text"].append(text)
            found[f"{f.name} bare"].append(bare)
    return found


def _texts(value: Any) -> tuple[str | None, str | None]:
    """A value as a string, or as what else it is."""
    if isinstance(value, str) and not isinstance(value, message.Number):
        return message.trimmed(value), None
    text = message.dump(value)
    return None, text[0] if isinstance(value, dict | list) else text


def as_lists(decoded: Decoded) -> dict[str, list[Any]]:
    """All that was decoded, to compare."""
    fields = {
        f"{name} {kind}": column.to_pylist()
        for name, raw in decoded.fields.items()
        for kind, column in (("text", raw.text), ("bare", raw.bare))
    }
    return {**fields, "malformed": decoded.malformed.tolist(), "unnamed": decoded.unnamed.tolist()}


def damaged(good: Sequence[bytes], rng: random.Random) -> bytes:
    """One of the messages with something done to it, up to four times."""
    found = rng.choice(good)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
        at, what = rng.randrange(len(found) + 1), rng.randrange(6)
        if what == 0:
            found = found[:at]
        elif what == 1:
            found = found[:at] + rng.choice(_ODD) + found[at:]
        elif what == 2:
            found = found[:at] + rng.choice(_ODD) + found[at + 1 :]
        elif what == 3:
            found = found[:at] + found[at + 1 :]
        elif what == 4:
            other = rng.choice(good)
            found = found[:at] + other[rng.randrange(len(other) + 1) :]
        else:
            upto = rng.randrange(at, len(found) + 1)
            found = found[:upto] + found[at:]
    return found


def difference(source: str, messages: int, seed: int) -> tuple[bytes, str] | None:
    """The first message that is read otherwise, with where and how; None if there is none."""
    rng = random.Random(seed)
    collected = Collected()
    contract, decoder = contracts()[source], Decoder(contracts()[source])
    shares = {source: 1.0} if contract.is_event else {"calls": 1.0}
    run(Run(events=5_000, run_id="fuzz", seed=seed, defects="0.2", sources=shares), collected)
    good = pl.concat(collected.frames[source])["value"].drop_nulls().to_list()
    for _ in range(0, messages, _BATCH):
        sent = [damaged(good, rng) for _ in range(min(messages, _BATCH))]
        quickly, slowly = (
            as_lists(decoder.decode(pa.array(sent, pa.large_binary()))),
            read_slowly(contract, sent),
        )
        for name in slowly:
            for row, (ours, right) in enumerate(zip(quickly[name], slowly[name], strict=True)):
                if ours != right:
                    return sent[row], f"{name}: {ours!r}, not {right!r}"
    return None


@click.command()
@click.option(
    "--messages", type=click.IntRange(1), default=100_000, show_default=True, help="Damaged messages a source."
)
@click.option("--source", "sources", multiple=True, help="A source (repeatable) [default: all].")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a source.")
def main(messages: int, sources: tuple[str, ...], seed: int, as_json: bool) -> None:
    """Hold the kernel against the slow reference; exit code 1 at a difference."""
    for source in sources or contracts():
        began = time.monotonic()
        found = difference(source, messages, seed)
        seconds = time.monotonic() - began
        if as_json:
            told = {
                "source": source,
                "messages": messages,
                "seed": seed,
                "seconds": round(seconds, 1),
                "differs": found and found[1],
            }
            click.echo(json.dumps(told))
        else:
            click.echo(
                f"{source:12} {messages:,} messages in {seconds:.0f} s: {'no difference' if not found else found[1]}"
            )
        if found:
            click.echo(found[0], err=True)
            sys.exit(1)


if __name__ == "__main__":
    main()
