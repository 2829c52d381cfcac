"""One source's messages, batch after batch: good events, their defects, their copies."""

import zlib
from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from sources.defects import COPY_DISTANCE, Shares, add_copies, divided, plant
from sources.faults import Defect
from sources.mix import EventSource
from sources.rhythm import ClockChange
from sources.scene import Scene

# gives that many local times in order, fewer if there are no more
Times = Callable[[int], pl.Series]


class Feed:
    """Makes the messages of one source; shares are kept over all batches together, however small they are."""

    def __init__(
        self,
        source: EventSource,
        scene: Scene,
        defects: Sequence[Defect],
        shares: Shares,
        clock: ClockChange,
        seed: int,
    ) -> None:
        """Prepare.

        Args:
            defects: those that can be made; the shares say how many.
            seed: with the run's id and the source's name it decides every draw.
        """
        self.name = source.name
        self.draw = np.random.default_rng([seed, *scene.run_id.encode(), zlib.crc32(source.name.encode())])
        self._source, self._scene, self._clock = source, scene, clock
        self._plan = [defect for defect in defects if shares.planted.get(defect.name)]
        self._weights = np.array([shares.planted[defect.name] for defect in self._plan])
        self._duplicates = shares.duplicates
        self._asked = self._made = self._planted = self._copied = 0
        self._recent: pl.DataFrame | None = None

    def copies_of(self, count: int) -> int:
        """How many of so many messages are to be copies."""
        return round(count * self._duplicates)

    def batch(self, count: int, times: Times) -> pl.DataFrame:
        """The next messages, in the order to send them; copies among them.

        Args:
            times: asked for one local time a good event.

        Returns:
            `key`, `value`, `defect`, `codes` and `warnings` as `plant` gives them, and what the source adds.
        """
        self._asked += count
        # without an accepted message nothing can be copied
        most = count if self._recent is not None else max(0, count - 1)
        copies = min(self.copies_of(self._asked) - self._copied, most)
        good = self._source.events_at(times(count - copies), self._scene, self.draw, self._made + 1)
        wanted = round(self._asked * self._weights.sum()) - self._planted
        counts = divided(min(wanted, good.height), self._weights, self.draw)
        messages = plant(good, self._plan, counts, self.draw, self._clock)
        earlier = messages.clear() if self._recent is None else self._recent
        sent = add_copies(messages, copies, self.draw, earlier)
        self._made += messages.height
        self._planted += int(counts.sum())
        self._copied += sent.height - messages.height
        accepted = pl.concat([earlier, messages.filter(pl.col("codes").is_null())]).tail(COPY_DISTANCE)
        self._recent = accepted if accepted.height else None
        return sent
