"""Finds tickets that may be about the same matter: by the words they share, and by their account."""
