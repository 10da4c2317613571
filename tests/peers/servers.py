"""The ticket servers that are measured beside this one, and what shows that one of them can do something."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bootstrap.environments import cached_environment
from tests.processes import ROOT, STDIO_DOOR

PINS: Final = ROOT / "tests" / "peers" / "environments"
NOWHERE: Final = "http://127.0.0.1:9"
"""No server needs its ticket system to list its tools."""


@dataclass(frozen=True, slots=True)
class Server:
    """A ticket server over STDIO."""

    name: str
    settings: Mapping[str, str]
    pins: str | None = None
    """The list of its environment, None for this server. Its program is named as its package."""

    def command(self) -> list[str]:
        """Return the program that serves, after making its environment if need be."""
        if self.pins is None:
            return [sys.executable, str(ROOT / STDIO_DOOR[0])]
        python = cached_environment(PINS / f"{self.pins}.txt", name=f"peers-{self.pins}")
        return [str(Path(python).with_name(self.name))]

    def version(self) -> str:
        """Return the pinned version, or a dash for this server."""
        if self.pins is None:
            return "–"
        lines = (PINS / f"{self.pins}.in").read_text("utf-8").splitlines()
        pin = next(line for line in lines if line.startswith(f"{self.name}=="))
        return pin.partition("#")[0].partition("==")[2].strip()


OURS: Final = Server("this server", {"MCP_API_BASE_URL": NOWHERE, "MCP_API_KEY": "none"})
SERVERS: Final = (
    OURS,
    Server("zammad-mcp-server", {"ZAMMAD_URL": NOWHERE, "ZAMMAD_HTTP_TOKEN": "none", "ZAMMAD_TOKEN": "none"}, "newest"),
    Server(
        "zendesk-mcp",
        {"ZENDESK_SUBDOMAIN": "none", "ZENDESK_EMAIL": "none@example.com", "ZENDESK_API_TOKEN": "none"},
        "newest",
    ),
    Server(
        "mcp-atlassian", {"JIRA_URL": NOWHERE, "JIRA_USERNAME": "none", "JIRA_API_TOKEN": "none"}, "before-2"
    ),  # without Confluence
    Server(
        "redmine-mcp-server",
        {
            "REDMINE_URL": NOWHERE,
            "REDMINE_API_KEY": "none",
            "REDMINE_MCP_TRANSPORT": "stdio",
            "REDMINE_AUTH_MODE": "legacy",
        },
        "newest",
    ),
)
SHOWN_BY: Final[Mapping[str, Sequence[str]]] = MappingProxyType({
    "numbers of tickets": ("get_ticket_report", "get_ticket_stats", "summarize_project_status"),
    "`me`": (
        *("get_ticket_list.mine", "get_current_user", "list_redmine_issues.assigned_to_id"),
        *("jira_search.jql", "zendesk_assign_ticket.assignee_email"),
    ),
    "working time": ("update_ticket.addEffortHours", "manage_time_entry", "jira_add_worklog", "zendesk_log_time"),
    "internal notes": (
        *("add_ticket_history.visibility", "create_article.internal", "zendesk_post_internal_note"),
        *("jira_add_comment.visibility", "manage_issue_note.private_notes"),
    ),
    "many at once, after a preview": ("update_tickets.confirm", "jira_batch_create_issues.validate_only"),
    "similar tickets": ("find_similar_tickets",),
    "who changed what since when": ("get_ticket_changes",),
})  # fmt: skip
"""For each ability, the tools and arguments that show it, read in the descriptions of these versions."""
