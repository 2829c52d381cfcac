"""Texts that pass through a store which decides nothing: sealed by whoever writes them, and believed only with their seal.

The seal is an HMAC (RFC 2104, SHA-256) by a key that workers have in common and the store does not: it is derived from the key
with which they write the tables. Who can write to the store alone can take texts away or bring old ones back, no more.
"""

import hashlib
import hmac

from lakehouse.settings import Settings

_HEX = 64


class Unsealed(ValueError):
    """The text is not as one of us wrote it for this place."""


class Seal:
    """Seals texts for one purpose."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def of(cls, settings: Settings) -> "Seal":
        """The seal of all workers that write with the same key."""
        return cls(
            hmac.digest(settings.s3_secret_key.get_secret_value().encode(), b"lakehouse workers", hashlib.sha256)
        )

    def put(self, place: str, text: str) -> bytes:
        """The text with its seal, good for one place only."""
        return self._mac(place, text.encode()) + text.encode()

    def check(self, place: str, sealed: bytes) -> str:
        """The text of what was found in a place.

        Raises:
            Unsealed: it was written by somebody else, or for another place.
        """
        mac, text = sealed[:_HEX], sealed[_HEX:]
        if not hmac.compare_digest(mac, self._mac(place, text)):
            raise Unsealed("it has no seal of ours")
        return text.decode()

    def _mac(self, place: str, text: bytes) -> bytes:
        return hmac.digest(self._key, place.encode() + b"\0" + text, hashlib.sha256).hex().encode()
