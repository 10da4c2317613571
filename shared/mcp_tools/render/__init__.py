"""Renders results as Markdown for people and models: pure functions, one per result.

Ticket text is data: short text is escaped in place, longer text is quoted. Names come with the ids that the next call
needs. Absent values take no line.
"""

from shared.mcp_tools.render.bulk import tickets_updated
from shared.mcp_tools.render.lists import master_page, ticket_page
from shared.mcp_tools.render.outcome import EFFECTS, failure, sentence, stamp
from shared.mcp_tools.render.reports import ticket_changes, ticket_counts
from shared.mcp_tools.render.similar import similar_tickets
from shared.mcp_tools.render.tickets import ticket_detail
from shared.mcp_tools.render.writes import comment_added, ticket_created, ticket_updated

__all__ = [
    "EFFECTS", "comment_added", "failure", "master_page", "sentence", "similar_tickets", "stamp", "ticket_changes",
    "ticket_counts", "ticket_created", "ticket_detail", "ticket_page", "ticket_updated", "tickets_updated",
]  # fmt: skip
