"""The ticket API inside this process."""
