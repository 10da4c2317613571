"""Import of people, accounts and tickets from files of other systems, row by row."""
