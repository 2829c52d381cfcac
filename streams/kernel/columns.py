"""Values as a text column: what stands between two places of a row."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.kernel.arrow import text_array
from streams.kernel.compiled import compiled


def texts(data: Any, kinds: Any, begins: Any, ends: Any, wanted: npt.NDArray[np.bool_]) -> pa.Array:
    """The text of a field in some rows, as it stands; null in the others."""
    places = np.empty(len(kinds) + 1, np.int64)
    out = np.empty(_lay_out(begins, ends, wanted, places), np.uint8)
    _copy(data, begins, wanted, places, out)
    return text_array(out, places, wanted)


@compiled
def _lay_out(begins: Any, ends: Any, wanted: Any, places: Any) -> int:
    at = 0
    for row in range(len(wanted)):
        places[row] = at
        if wanted[row]:
            at += ends[row] - begins[row]
    places[len(wanted)] = at
    return at


@compiled
def _copy(data: Any, begins: Any, wanted: Any, places: Any, out: Any) -> None:
    for row in range(len(wanted)):
        if wanted[row]:
            for i in range(places[row + 1] - places[row]):
                out[places[row] + i] = data[begins[row] + i]
