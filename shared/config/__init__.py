"""All settings, read once from the environment (prefix `MCP_`), and only by the entry points.

Frozen, with secrets masked, and closed by default: a combination that would serve without authentication or lose data
is refused at startup, and the message names the variable to set. `python -m shared.config` prints the README's table.
"""

from shared.command_lines import CHECKOUT, IS_INSTALLED
from shared.config.cloud import CloudSettings, SettingsWithoutKeys
from shared.config.common import EMBEDDED, IdentitySettings, Settings, ToolSettings
from shared.config.loading import load
from shared.config.machine import default_host, is_loopback, on_cloud_run, service_context
from shared.config.notes import notes
from shared.config.stdio import StdioSettings
from shared.config.table import settings_table
from shared.config.ticket_api import TicketApiSettings

__all__ = (
    "CHECKOUT",
    "EMBEDDED",
    "IS_INSTALLED",
    "CloudSettings",
    "IdentitySettings",
    "Settings",
    "SettingsWithoutKeys",
    "StdioSettings",
    "TicketApiSettings",
    "ToolSettings",
    "default_host",
    "is_loopback",
    "load",
    "notes",
    "on_cloud_run",
    "service_context",
    "settings_table",
)
