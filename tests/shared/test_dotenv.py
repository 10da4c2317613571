"""`.env`: every way to write a value, every encoding, and a sentence without values for what cannot be read."""

import os
from pathlib import Path

import pytest

from bootstrap import machine
from shared import dotenv
from shared.config import IdentitySettings, Settings, StdioSettings, load
from shared.dotenv import DotenvError
from shared.environment import SettingsError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of the file that run.py and the settings read."""
    for name in os.environ:
        if name.upper().startswith(("MCP_", "API_")) or name.upper() == "PORT":
            monkeypatch.delenv(name)
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    monkeypatch.setattr(Settings, "dotenv_path", tmp_path / ".env")
    return tmp_path / ".env"


def values(file: Path, text: bytes | str, environment: dict[str, str] | None = None) -> dict[str, str]:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return {name: entry.value for name, entry in dotenv.read(file, environment or {}).items()}


def refusal(file: Path, text: bytes | str) -> str:
    with pytest.raises(DotenvError) as caught:
        values(file, text)
    return str(caught.value).replace(str(file), ".env")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("  export  A = two words  ", "two words"),
        ("a=1", "1"),
        ("A=1 # why", "1"),
        ("A=a#b", "a#b"),
        ("A=#b", "#b"),
        ("A= # nothing", ""),
        ("A=", ""),
        ("A='two # x'  # why", "two # x"),
        ("A='${B} $(C) \\n'", "${B} $(C) \\n"),
        ('A="C:\\new \\"x\\" # y"', 'C:\\new "x" # y'),
        ('A="${B}/${C:-d}"', "b/d"),
        ("A=${B}/${C:-}", "b/"),
        ("A=$B", "$B"),
        ("A=x=y", "x=y"),
        ("\ufeffA=1", "1"),
        ("A=it's", "it's"),
        ("A=ソ表\u2028", "ソ表"),
    ],
)
def test_a_line_is_read_as_people_write_it(file: Path, line: str, value: str) -> None:
    assert values(file, f"# first\r\n\r\n{line}\r\n", {"B": "b"}) == {"A": value}


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp932", "latin-1", "shift_jis"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_every_encoding_and_line_end_is_read(file: Path, encoding: str, end: str) -> None:
    comment = {"latin-1": "é", "utf-16-le": "e", "utf-16-be": "e"}.get(encoding, "ソース")
    lines = ["MCP_SAMPLE_DATA=ja", f"# {comment} #", f'MCP_LOG_LEVEL="DEBUG"  # {comment}']

    read = values(file, end.join(lines).encode(encoding))

    assert read == {"MCP_SAMPLE_DATA": "ja", "MCP_LOG_LEVEL": "DEBUG"}
    settings = load(StdioSettings)
    assert (settings.sample_data, settings.log_level) == ("ja", "DEBUG")
    assert {**machine.settings(), **read} == dict(machine.settings())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("A=1\nhush", "Line 2 of .env is not NAME=value."),
        ("A\uff1dhush", "Line 1 of .env is not NAME=value."),
        ("set A=hush", "Line 1 of .env is not NAME=value."),
        ("$env:A = 'hush'\nA: hush", "Line 2 of .env is not NAME=value."),
        ("A='hush", "Line 1 of .env has a quote that does not end, or text after it."),
        ('A="hush"hush', "Line 1 of .env has a quote that does not end, or text after it."),
        ("A=$(hush)", "Line 1 of .env contains a command, and no command runs here; write what it prints."),
        ('A="x`hush`"\nB=`hush`', "Line 2 of .env contains a command, and no command runs here; write what it prints."),
        (
            "A=${HUSH}",
            "Line 1 of .env refers to HUSH, which is not set; put the value in single quotes to keep it.",
        ),
        ("A=hush\nB=1\na=hush2", "Line 3 of .env sets A to another value than line 1; keep one of them."),
        ("A=hush\nA=", "Line 2 of .env sets A to another value than line 1; keep one of them."),
        ("A=ソhush".encode("cp932"), "Line 1 of .env has characters that cannot be read, in the name or"),
        ("A=\xe9hush".encode("latin-1"), "Line 1 of .env has characters that cannot be read, in the name or"),
        ("A\u200b=hush", "Line 1 of .env has characters that cannot be read, in the name or"),
        (b"A=1\n" + "B=hush\n".encode("utf-16-le"), ".env cannot be read: it mixes encodings, as when"),
        ("A=hush\n".encode("utf-16") + b"B=2\n", "Line 2 of .env is not NAME=value."),
        (b"\xff\xfeA", ".env cannot be read: it mixes encodings"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_without_its_value(file: Path, text: bytes | str, sentence: str) -> None:
    said = refusal(file, text)

    assert said.startswith(sentence)
    assert "hush" not in said


def test_every_line_that_cannot_be_read_is_named_at_once(file: Path) -> None:
    assert len(refusal(file, "A\nB='\nC=1\nC=2\n").splitlines()) == 3


def test_the_same_line_twice_and_an_empty_one_before_it_are_no_contradiction(file: Path) -> None:
    assert values(file, "A=\nB=1\nA=2\nB=1\n") == {"A": "2", "B": "1"}


def test_no_file_and_a_folder_in_its_place_are_no_settings(file: Path) -> None:
    assert dotenv.read(file) == {}
    file.mkdir()  # a virtual environment

    assert dotenv.read(file) == {}
    assert load(StdioSettings).sample_data == "en"


def test_the_servers_and_run_py_refuse_a_file_in_the_same_words(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("MCP_PORT=1\nhush\n", "utf-8")

    with pytest.raises(SettingsError, match=r"^Line 2 of .*\.env is not NAME=value\.$") as servers:
        load(IdentitySettings)
    with pytest.raises(SystemExit) as runs:
        machine.settings()

    assert str(runs.value.code).endswith(str(servers.value))
    assert "hush" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("written", "given", "value"),
    [("MCP_PORT=1", {}, "1"), ("MCP_PORT=1", {"MCP_PORT": "2"}, "2"), ("MCP_PORT=1", {"MCP_PORT": ""}, "1")],
)
def test_run_py_and_the_servers_agree_on_what_wins(
    file: Path, monkeypatch: pytest.MonkeyPatch, written: str, given: dict[str, str], value: str
) -> None:
    """An empty variable is an unset one: otherwise run.py could serve without the key that the file has."""
    file.write_text(written, "utf-8")
    for name, one in given.items():
        monkeypatch.setenv(name, one)

    assert machine.settings()["MCP_PORT"] == value


def test_a_file_that_this_user_may_not_read_is_said(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.touch()

    def refused(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(DotenvError, match=r"\.env cannot be read: Permission denied\.$"):
        dotenv.read(file)
