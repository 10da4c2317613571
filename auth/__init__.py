"""Authenticates callers; keeps tenants, users, API keys and the audit trail. Knows nothing of transports or tickets."""
