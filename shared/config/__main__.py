"""Prints the README's table of settings: `python -m shared.config`."""

from shared.config.table import settings_table

print(settings_table(), end="")  # noqa: T201 - the table is the output
