"""Reading files of messages and of reference records, and what a person reads when a file is bad."""

import gzip
from pathlib import Path

import pytest

from lakehouse.cli.main import main
from lakehouse.errors import UsageError
from sources.files import open_messages
from sources.records import key_of_bytes, read_records
from sources.topics import Source, find_source

USERS = Source("users", True, ("phone_number", "msisdn"))


def written(folder: Path, content: bytes, name: str = "file") -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def test_lines_are_sent_as_they_stand_bad_ones_too(tmp_path: Path) -> None:
    content = b'{"a": 1.0}\r\n\n{"a"\n  \n[1, 2]\nhello\n {"b":"\xff"} \n{"last":1}'
    messages = open_messages(written(tmp_path, content))
    assert list(messages) == [b'{"a": 1.0}', b'{"a"', b"[1, 2]", b"hello", b' {"b":"\xff"} ', b'{"last":1}']
    assert messages.blank_lines == 2


def test_a_first_line_that_is_an_array_does_not_make_the_file_one(tmp_path: Path) -> None:
    assert list(open_messages(written(tmp_path, b'[1, 2]\n{"a":1}\n'))) == [b"[1, 2]", b'{"a":1}']


def test_an_array_gives_its_elements_as_they_are_written(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbf[\n {"amount": 0.10, "a": 1, "a": 2},\n {"n": 12345678901234567890123}, 5\n]\n'
    assert list(open_messages(written(tmp_path, content))) == [
        b'{"amount": 0.10, "a": 1, "a": 2}',
        b'{"n": 12345678901234567890123}',
        b"5",
    ]


def test_objects_over_several_lines_are_one_message_each(tmp_path: Path) -> None:
    assert len(list(open_messages(written(tmp_path, b'{\n "a": 1\n}\n{\n "a": 2\n}\n')))) == 2


def test_gzip_is_unpacked_whatever_the_file_is_called(tmp_path: Path) -> None:
    assert list(open_messages(written(tmp_path, gzip.compress(b'{"a":1}\n{"a":2}\n')))) == [b'{"a":1}', b'{"a":2}']


def test_a_gzip_file_that_ends_early_is_said(tmp_path: Path) -> None:
    packed = gzip.compress(b"".join(b'{"a":%d}\n' % number for number in range(100_000)))
    with pytest.raises(UsageError, match="cannot be read to its end"):
        list(open_messages(written(tmp_path, packed[: len(packed) // 2])))


def test_keys_come_from_the_first_member_that_has_one() -> None:
    assert key_of_bytes(b'{"customer": " 0101 "}', ("customer",)) == "0101"
    assert key_of_bytes(b'{"tac": 35000001}', ("tac",)) == "35000001"
    assert key_of_bytes(b'{"msisdn": "0101", "phone_number": null}', USERS.keys) == "0101"
    for keyless in (b'{"customer": true}', b'{"customer": ""}', b"[1]", b"{", b"\xff"):
        assert key_of_bytes(keyless, ("customer",)) is None


@pytest.mark.parametrize("content", [b'[{"msisdn": "0101"}]', b'{"msisdn": "0101"}\n', b'{\n"msisdn": "0101"\n}'])
def test_records_are_read_from_arrays_lines_and_spread_objects(tmp_path: Path, content: bytes) -> None:
    [(key, value)] = read_records(written(tmp_path, content), USERS)
    assert key == "0101"
    assert b"msisdn" in value


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"msisdn":"1"}\n\n{"name":"x"}\n', "record 2: no phone_number or msisdn"),
        (b'[{"msisdn":"1"},\n{"msisdn":1,}]', "line 2: not JSON"),
        (b'{"msisdn":"1"}\n{"msisdn":x}\n', "line 2: not JSON"),
        (b'[{"msisdn":"1"}, 7]', "record 2: not a JSON object"),
        (b"msisdn,name\n1,2\n", "it begins with 'msisdn,name'"),
        (bytes(range(256)) * 4, "is no text"),
    ],
)
def test_bad_records_are_named_and_nothing_is_published(tmp_path: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        read_records(written(tmp_path, content), USERS)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["publish", "cals", "x"], "Did you mean calls?"),
        (["reference", "calls", "x"], "no reference data is called 'calls'"),
        (["publish", "calls", "/nowhere/at/all"], "cannot read /nowhere/at/all: No such file"),
        (["reference", "users", "/nowhere/at/all"], "cannot read /nowhere/at/all: No such file"),
        (["generate", "--run-id", "a b"], "--run-id 'a b'"),
        (["generate", "--output", "/nowhere/at/all"], "cannot write"),
    ],
)
def test_mistakes_end_in_one_sentence_and_code_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_sources_and_their_keys_come_from_the_contracts() -> None:
    assert find_source("calls").keys == ("customer",)
    assert find_source("users", reference=True).keys == ("phone_number", "msisdn")
    assert find_source("devices").keys == ("tac",)
