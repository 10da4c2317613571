"""Prepares what linters of others need to judge the tools; docs/tool-linters.md has the commands and the results."""
