"""How arguments are read: names, values and lists as people and models write them, and what is right instead."""
