"""Tests of the token endpoint and of what it issues."""
