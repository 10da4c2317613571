"""Databases: opened, migrated, and used one transaction at a time."""
