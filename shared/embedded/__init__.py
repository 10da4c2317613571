"""The ticket API embedded in this process."""
