"""The identity provider at which people sign in, Google by default; this server is a client of it."""
