"""The broker of many instances, over Valkey."""
