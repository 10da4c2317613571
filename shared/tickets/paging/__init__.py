"""Cuts pages of tickets where the ticket API itself cannot."""
