"""What an organisation that leaves is given, and how it is erased."""
