"""Every SQL statement of this package. Each function runs on a connection inside the caller's transaction."""
