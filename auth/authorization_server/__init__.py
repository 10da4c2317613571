"""The authorization server of this deployment: clients get tokens for people who sign in at an OpenID provider."""
