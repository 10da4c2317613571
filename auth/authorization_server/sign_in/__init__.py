"""The sign-in of a person: what the client asks, what the person allows, and the return from the provider."""
