"""What changed in tickets since a moment: from the ticket API's list of changes, or from histories."""
