"""The pieces that texts of results are made of. Pure."""

from collections.abc import Sequence

from shared.markdown import inline, quote


def document(*parts: str, notes: Sequence[str] = ()) -> str:
    """Return the parts that are not empty, and the notes below them."""
    said = "\n".join(f"Note: {inline(note)}" for note in notes)
    return "\n\n".join(part for part in (*parts, said) if part)


def facts(*named_values: tuple[str, str | None]) -> str:
    """Return a line for each name that has a value."""
    return "\n".join(f"- {name}: {value}" for name, value in named_values if value)


def text(value: str | None) -> str | None:
    """Return ticket text for a line, or None without any."""
    return inline(value) if value else None


def named(name: str | None, identifier: str | None) -> str | None:
    """Return `name (id)`, or the one of them that is given."""
    if not name or not identifier:
        return text(name or identifier)
    return f"{inline(name)} ({inline(identifier)})"


def section(heading: str, body: str) -> str:
    """Return `body` below its heading, or nothing without a body."""
    return f"{heading}\n\n{body}" if body else ""


def long(heading: str, prose: str | None) -> str:
    """Return long ticket text, quoted below its heading, or nothing without any."""
    return f"### {heading}\n\n{quote(prose)}" if prose and prose.strip() else ""


def change_line(field: str, old: str | None, new: str | None) -> str:
    """Return the line of a field that changed."""
    return f"- {inline(field)}: {text(old) or '(empty)'} → {text(new) or '(empty)'}"
