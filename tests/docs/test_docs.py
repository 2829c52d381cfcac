"""The docs say what the code does: pages are generated, commands parse, links and tests that are named exist."""

import re
import shlex
from pathlib import Path
from types import ModuleType

import click
import pytest

from lakehouse.cli.main import COMMANDS, cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md")])
SEPARATORS = {"|", "&&", "||", ";"}


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _context() -> click.Context:
    return click.Context(cli, info_name="lakehouse")


def _command(name: str) -> click.Command:
    command = cli.get_command(_context(), name)
    assert command is not None, f"there is no command {name!r}"
    return command


def _shell_commands() -> list[tuple[str, str]]:
    """Every `lakehouse …` of the docs: in blocks marked `sh`, and in inline code."""
    found = []
    for page in PAGES:
        if page.parent.name == "reference":
            continue
        text = page.read_text()
        blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        inline = re.findall(r"`(lakehouse [^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        lines = [line for block in blocks for line in block.splitlines()] + inline
        found += [(_name(page), line) for line in lines if re.search(r"(^|[ /])lakehouse ", line)]
    return found


def _calls(line: str) -> list[list[str]]:
    """The arguments of each `lakehouse` in a shell line: pipes and `&&` part them, variables may stand before."""
    parts: list[list[str]] = [[]]
    for word in shlex.split(line):
        if word in SEPARATORS:
            parts.append([])
        elif parts[-1] or not re.fullmatch(r"[A-Z_]+=.*", word):
            parts[-1].append(word)
    return [part[1:] for part in parts if part and part[0].rpartition("/")[2] == "lakehouse"]


def _tests() -> set[str]:
    text = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    return set(re.findall(r"def (test_\w+)\(", text))


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_generated_pages_are_up_to_date(generator: ModuleType) -> None:
    stale = [_name(path) for path, text in generator.pages().items() if not path.exists() or path.read_text() != text]
    assert not stale, f"{', '.join(stale)}: not what the code says; run `{generator.COMMAND}`"


def test_every_saved_query_is_in_the_tour() -> None:
    shown = re.findall(r"<!-- query: (\w+) -->", (ROOT / "docs" / "federation.md").read_text())
    assert sorted(shown) == sorted(path.stem for path in (ROOT / "trino" / "queries").glob("*.sql"))


def test_the_readme_has_the_place_of_the_settings(generator: ModuleType) -> None:
    text = (ROOT / "README.md").read_text()
    assert text.count(generator.BEGIN) == text.count(generator.END) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name: str) -> None:
    command = _command(name)
    assert command.help, name
    assert len(command.help.strip()) > 40, f"{name}: help that teaches is longer"
    options = [p for p in command.params if isinstance(p, click.Option)]
    choices = [o.name for o in options if not o.help and not isinstance(o.type, click.Choice)]
    assert not choices, f"{name}: {choices} have no help"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_docs(name: str) -> None:
    assert f"\n## {name}\n" in (ROOT / "docs" / "reference" / "commands.md").read_text()
    assert f"`{name}`" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(("page", "line"), _shell_commands())
def test_commands_in_the_docs_parse(page: str, line: str) -> None:
    calls = _calls(line)
    assert calls, f"{page}: {line}"
    for arguments in calls:
        if set(arguments) & {"--help", "COMMAND"}:
            continue
        command = _command(arguments[0])
        # of a command that is only mentioned, the options are looked at; arguments may be missing
        context = click.Context(command, info_name=arguments[0], parent=_context(), resilient_parsing=True)
        if re.search(r"\b[A-Z]{3,}\b", " ".join(arguments[1:])) is None and len(arguments) > 1:
            context = command.make_context(arguments[0], arguments[1:], parent=_context())
        else:
            command.parse_args(context, arguments[1:])


def test_an_unknown_option_would_be_found() -> None:
    with pytest.raises(click.UsageError):
        test_commands_in_the_docs_parse("README.md", "lakehouse audit --no-such-option")


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http:", "https:")):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{_name(page)}: {target}"
        assert not anchor or anchor in _anchors(there), f"{_name(page)}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_tests_that_are_named_exist(page: Path) -> None:
    gone = set(re.findall(r"`(test_\w+)`", page.read_text())) - _tests()
    assert not gone, f"{_name(page)} names tests that are not there: {sorted(gone)}"


def test_every_invariant_names_its_test() -> None:
    section = (ROOT / "docs" / "design.md").read_text().partition("## Invariants\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    without = [row for row in rows if not re.search(r"`test_\w+`", row)]
    assert not without, without


def test_folders_that_the_readme_names_exist() -> None:
    block = (ROOT / "README.md").read_text().partition("## Where things are")[2].split("```")[1]
    names = re.findall(r"^(\w+)/", block, re.MULTILINE)
    assert names
    for name in names:
        assert (ROOT / name).is_dir(), name
