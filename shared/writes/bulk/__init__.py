"""Changes several tickets: previewed first, then done as previewed, one ticket after the other."""
