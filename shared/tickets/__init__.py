"""Tickets as the ticket API sends them: read, checked against master data, sorted, paged."""
