"""Writes the bundle for Claude Desktop, `ticket-server.mcpb`: `python3 run.py bundle [FOLDER]`.

A zip file with a manifest, the files of the package and its pyproject.toml. Claude Desktop asks for what `user_config`
lists, and starts the server with uv, which brings Python and the packages. Installed that way, the server keeps its
data in the user's data folder, and a new version of the bundle finds it there.
Source: the manifest's schema, version 0.4, in `@anthropic-ai/mcpb`.
"""

import json
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from shared.mcp_tools.catalog import TOOLS

ROOT: Final = Path(__file__).resolve().parent.parent
NAME: Final = "ticket-server.mcpb"
CONFIG: Final = {
    "api_base_url": {
        "type": "string",
        "title": "Address of the ticket API",
        "description": "For example https://tickets.example.com. `embedded` is a ticket API of its own, with samples.",
        "default": "embedded",
    },
    "api_key": {
        "type": "string",
        "title": "Key of the ticket API",
        "description": "Sent to the ticket API as x-api-key. The embedded one needs none.",
        "default": "",  # without a default, the server would get the name of the variable as the key
        "sensitive": True,
    },
    "ticket_user": {
        "type": "string",
        "title": "You in the ticket system",
        "description": "Your id, name or e-mail address there: whose tickets are yours, and who your writes are by.",
        "default": "",
    },
    "language": {
        "type": "string",
        "title": "Language of results",
        "description": "en for English or ja for Japanese.",
        "default": "en",
    },
    "read_only": {
        "type": "boolean",
        "title": "Read only",
        "description": "Offer no tools that create or change tickets.",
        "default": False,
    },
}


def project() -> dict[str, Any]:
    """Return the content of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def manifest() -> dict[str, Any]:
    """Return the manifest of the bundle."""
    package = project()["project"]
    return {
        "manifest_version": "0.4",
        "name": package["name"],
        "display_name": "Ticket server",
        "version": package["version"],
        "description": package["description"],
        "author": {"name": "The ticket server's maintainers"},
        "license": package["license"],
        "server": {
            "type": "uv",
            "entry_point": "ticket_server.py",
            "mcp_config": {
                "command": "uv",
                # Not editable: as an installed package, the server keeps nothing in the folder of the bundle.
                "args": ["run", "--directory", "${__dirname}", "--no-editable", "--no-dev", "ticket-server", "stdio"],
                "env": {f"MCP_{name.upper()}": f"${{user_config.{name}}}" for name in CONFIG},
            },
        },
        "tools": [{"name": tool.name, "description": tool.description} for tool in TOOLS],
        "compatibility": {
            "platforms": ["darwin", "win32", "linux"],
            "runtimes": {"python": package["requires-python"]},
        },
        "user_config": CONFIG,
    }


def packed() -> Iterator[Path]:
    """Yield the files of the bundle apart from its manifest: those of the package, and what builds it."""
    yield from (ROOT / name for name in ("pyproject.toml", "README.md", "LICENSE"))
    kinds = {".py", ".lua", ".toml", ".html", ".css"}
    for pattern in project()["tool"]["hatch"]["build"]["include"]:
        place = ROOT / pattern.strip("/")
        found = [place] if place.is_file() else sorted(place.rglob("*"))
        yield from (path for path in found if path.suffix in kinds)


def write(folder: Path) -> Path:
    """Write the bundle into `folder` and return its path."""
    path = folder / NAME
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("manifest.json", json.dumps(manifest(), indent=2, ensure_ascii=False) + "\n")
        for file in packed():
            bundle.write(file, file.relative_to(ROOT).as_posix())
    return path


if __name__ == "__main__":
    print(write(Path(*sys.argv[1:2])).resolve())
