"""Changing master data: people, accounts, categories, statuses, channels and response categories of one tenant."""
