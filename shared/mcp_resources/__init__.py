"""Resources that read tickets: a URI for what a tool shows, so that a person can attach it to a conversation."""
