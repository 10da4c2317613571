"""The wire to a ticket API: what a response means, in which charset it is, and through which proxy it comes."""
