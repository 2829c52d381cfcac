"""What reference records take is measured, in small."""

from bench.references import measure


def test_every_figure_is_there() -> None:
    found = measure(3_000)
    assert found["subscribers"] == 3_000
    assert all(found[name] > 0 for name in ("look_up_of_10_ms", "look_up_of_10000_ms"))
