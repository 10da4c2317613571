"""What a write does by a feature of the ticket API, and what instead over an API without it."""
