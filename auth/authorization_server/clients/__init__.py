"""Clients: how they are known, by a metadata document or a registration, and where they may be sent."""
