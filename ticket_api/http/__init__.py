"""The HTTP side of the ticket API: routes, models, authentication, errors."""
