"""Databases: opening, migrating, and working in transactions."""
