"""Lists of tickets as `get_ticket_list` takes and returns them."""
