"""What operators do to a whole identity store: see whether secrets fit it, export and erase a tenant."""
