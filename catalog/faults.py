"""Faults of the catalog and of S3, told apart from refusals."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyiceberg.exceptions import CommitFailedException, RESTError
from requests.exceptions import RequestException

from lakehouse.errors import Retry


@contextmanager
def answering(what: str) -> Iterator[None]:
    """Turn a catalog or S3 that does not answer into `Retry`.

    Args:
        what: the table or namespace, for the message.
    """
    try:
        yield
    except (RESTError, RequestException, OSError, CommitFailedException) as error:
        raise Retry(f"{what}: the catalog or S3 does not answer ({type(error).__name__}: {error})") from error
