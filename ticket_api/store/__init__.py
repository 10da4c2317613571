"""All SQL statements of this package. Each function runs in the caller's transaction, nearly all for one tenant."""
