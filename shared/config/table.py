"""The table of settings in the README."""

from shared.config.cloud import CloudSettings
from shared.environment import variables


def settings_table() -> str:
    """Return the settings of the HTTP server, which include those of STDIO, as the README's Markdown table."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in CloudSettings.model_fields.items():
        default = CloudSettings.shown_default.get(name) or _shown(field.default)
        rows.append(f"| `{variables(CloudSettings, name)[0]}` | {default} | {field.description} |")
    return "\n".join(rows) + "\n"


def _shown(default: object) -> str:
    if default is None or default == ():
        return "–"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"
