"""The pieces that texts of results are made of. Pure."""

from collections.abc import Sequence

from shared.localization import localized
from shared.markdown import inline, quote
from shared.tickets.labels import field_label


def document(*parts: str, notes: Sequence[str] = ()) -> str:
    """Return the parts that are not empty, and the notes below them."""
    said = "\n".join(localized("Note: {note}", note=inline(note)) for note in notes)
    return "\n\n".join(part for part in (*parts, said) if part)


def facts(*lines: str | None) -> str:
    """Return a list of the lines that are not empty."""
    return "\n".join(f"- {line}" for line in lines if line)


def fact(field: str, value: str | None) -> str | None:
    """Return a field of a ticket with its label, or None without a value."""
    return localized("{label}: {value}", label=field_label(field), value=value) if value else None


def beside(*facts_of_line: str | None) -> str:
    """Return facts on one line; none of them may hold text that a user typed, which could pass for another."""
    return localized("; ").join(filter(None, facts_of_line))


def text(value: str | None) -> str | None:
    """Return ticket text for a line, or None without any."""
    return inline(value) if value else None


def named(name: str | None, identifier: str | None) -> str | None:
    """Return `name (id)`, or the one of them that is given."""
    if not name or not identifier:
        return text(name or identifier)
    return f"{inline(name)} ({inline(identifier)})"


def block(heading: str, body: str | None) -> str:
    """Return `body` below its heading, or nothing without a body."""
    return f"{localized('{heading}:', heading=heading)}\n{body}" if body else ""


def long(field: str, prose: str | None, *, beside: str | None = None) -> str:
    """Return long ticket text, quoted below its label with `beside`, or nothing without any."""
    heading = f"{field_label(field)} ({beside})" if beside else field_label(field)
    return block(heading, quote(prose) if prose and prose.strip() else None)


def change(field: str, old: str | None, new: str | None) -> str:
    """Return what a field was, unless it was empty, and what it is now."""
    now = text(new) or localized("(empty)")
    value = f"{text(old)} → {now}" if text(old) else f"→ {now}"
    return localized("{label}: {value}", label=field_label(field), value=value)


class People:
    """The people of one text: each is named with the id once, and again where another has the same name."""

    def __init__(self) -> None:
        self._ids: dict[str, set[str]] = {}

    def named(self, name: str | None, identifier: str | None) -> str | None:
        """Return the name, with the id if that is not clear from the text before; None without either."""
        if not name or not identifier:
            return named(name, identifier)
        ids = self._ids.setdefault(name, set())
        is_clear = ids == {identifier}
        ids.add(identifier)
        return inline(name) if is_clear else named(name, identifier)
