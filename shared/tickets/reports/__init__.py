"""Reports: tickets counted by group, by the ticket API or here."""
