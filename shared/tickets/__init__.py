"""Tickets as the ticket API sends them: reading, checking against master data, sorting and paging."""
