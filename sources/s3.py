"""Objects of the S3 that the settings name, read as a stream: `s3://bucket/key`."""

import io
import re
from functools import cache
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from lakehouse.errors import LakehouseError, Retry, UsageError
from lakehouse.settings import settings

SCHEME = "s3://"
# One request a so many bytes: few enough requests, and little memory.
_BUFFER_BYTES = 4 << 20
_READ_BYTES = 1 << 16
_CONNECT_S = 5
_TRIES = 3


def is_object(name: str) -> bool:
    """Whether a name is one of S3 and not of a file."""
    return name.startswith(SCHEME)


def objects(address: str) -> list[str]:
    """The addresses that one stands for, sorted: all below a prefix that ends in `/`, or those that match a `*`.

    A `*` stands for any characters but `/`. Other addresses are returned as they are.

    Raises:
        UsageError: nothing matches, or S3 refuses.
        Retry: S3 does not answer.
    """
    bucket, key = _parts(address)
    if "*" not in key and key and not key.endswith("/"):
        return [address]
    folder = key.partition("*")[0].rpartition("/")[0]
    pattern = re.compile("[^/]*".join(map(re.escape, key.split("*"))) + (".*" if key.endswith("/") or not key else ""))
    from pyarrow import fs

    try:
        selector = fs.FileSelector(f"{bucket}/{folder}", recursive=True, allow_not_found=True)
        found = _file_system().get_file_info(selector)
    except OSError as error:
        raise _failure(address, error) from error
    keys = sorted(info.path.removeprefix(f"{bucket}/") for info in found if info.type == fs.FileType.File)
    matching = [f"{SCHEME}{bucket}/{one}" for one in keys if pattern.fullmatch(one)]
    if not matching:
        raise UsageError(f"there is no object {address} at {settings().s3_endpoint}.")
    return matching


def open_object(address: str) -> tuple[BinaryIO, int, str]:
    """A reader of an object's bytes as they are stored, its size, and what changes when it is written anew.

    Raises:
        UsageError: there is no such object, or S3 refuses.
        Retry: S3 does not answer.
    """
    bucket, key = _parts(address)
    if not key:
        raise UsageError(f"{address} names no object; an address is s3://bucket/key.")
    try:
        # None: what ends in .gz is not unpacked here, but where it is recognised by its first bytes
        stream = _file_system().open_input_stream(f"{bucket}/{key}", compression=None, buffer_size=_BUFFER_BYTES)
        about = {name.lower(): value.decode() for name, value in stream.metadata().items()}
    except OSError as error:
        raise _failure(address, error) from error
    version = about.get("etag") or about.get("last-modified") or ""
    return cast(BinaryIO, io.BufferedReader(stream, _READ_BYTES)), int(about["content-length"]), version


def _parts(address: str) -> tuple[str, str]:
    bucket, _, key = address.removeprefix(SCHEME).partition("/")
    if not bucket:
        raise UsageError(f"{address} names no bucket; an address is s3://bucket/key.")
    return bucket, key


@cache
def _file_system() -> Any:
    # loaded here: files on disk need no pyarrow
    from pyarrow import fs

    now = settings()
    url = urlsplit(now.s3_endpoint)
    return fs.S3FileSystem(
        access_key=now.s3_access_key,
        secret_key=now.s3_secret_key.get_secret_value(),
        region=now.s3_region,
        endpoint_override=url.netloc,
        scheme=url.scheme,
        connect_timeout=_CONNECT_S,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_TRIES),
    )


def _failure(address: str, error: OSError) -> LakehouseError:
    """The client's error in our words."""
    said, where = str(error), settings().s3_endpoint
    if "NETWORK_CONNECTION" in said:
        return Retry(f"S3 at {where} does not answer; is `lakehouse up` running?")
    if "NO_SUCH_BUCKET" in said:
        return UsageError(f"cannot read {address}: there is no such bucket at {where}.")
    if isinstance(error, FileNotFoundError):
        return UsageError(f"cannot read {address}: there is no such object at {where}.")
    if "ACCESS_DENIED" in said or "INVALID_ACCESS_KEY" in said:
        why = "refuses it to the key of LAKEHOUSE_S3_ACCESS_KEY: there is no such object, or the key may not read there"
        return UsageError(f"cannot read {address}: {where} {why}.")
    reason = said.partition("AWS Error ")[2] or said
    return UsageError(f"cannot read {address}: {reason.splitlines()[0][:300]}.")
