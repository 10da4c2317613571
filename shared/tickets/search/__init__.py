"""Searches tickets where the ticket API itself cannot find words in any order."""
