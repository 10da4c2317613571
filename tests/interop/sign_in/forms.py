"""What a browser without scripts reads in a page: its forms, and where the page goes on by itself. Pure."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urljoin

_REFRESH: Final = "0;url="


@dataclass
class Form:
    """A form, as a person finds it."""

    action: str = ""
    given: dict[str, list[str]] = field(default_factory=dict)
    """Values of the fields that the person does not see."""
    asked: set[str] = field(default_factory=set)
    """Names of the fields that the person fills in."""
    offered: dict[str, list[str]] = field(default_factory=dict)
    """Values of boxes and radio buttons, by name."""
    buttons: list[tuple[str, str]] = field(default_factory=list)
    """Name and value of each button that sends the form; empty if it has none."""


class Page(HTMLParser):
    """A page: its `forms` in their order, its `text`, and `goes_on_to`, the address of a refresh without delay."""

    def __init__(self, text: str, url: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.goes_on_to = ""
        self.text = ""
        self._url = url
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Read a tag."""
        given = {name: value or "" for name, value in attrs}
        match tag:
            case "meta" if given.get("http-equiv", "").lower() == "refresh":
                self.goes_on_to = urljoin(self._url, given["content"].replace(" ", "").removeprefix(_REFRESH))
            case "form":
                self.forms.append(Form(urljoin(self._url, given.get("action", ""))))
            case "input" if self.forms and given.get("name"):
                self._input(self.forms[-1], given)
            case "button" if self.forms and given.get("type", "submit") == "submit":
                self.forms[-1].buttons.append((given.get("name", ""), given.get("value", "")))

    def handle_data(self, data: str) -> None:
        """Read text between tags."""
        self.text += data if data.strip() else ""

    def _input(self, form: Form, given: dict[str, str]) -> None:
        name, value = given["name"], given.get("value", "")
        match given.get("type", "text"):
            case "hidden":
                form.given[name] = [value]
            case "checkbox" | "radio":
                form.offered.setdefault(name, []).append(value)
            case "submit":
                form.buttons.append((name, value))
            case _:
                form.asked.add(name)
