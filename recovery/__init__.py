"""Backup, restore and check of what this program stores: `python -m recovery`. docs/recovery.md explains all of it."""
