"""From a message to its response: access, the SDK's kernel, running calls, messages to clients."""
