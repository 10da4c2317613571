-- Pays for a request that belongs to no session. ARGV: the number of charges, then for each: bucket, interval, burst.
-- Returns {place of the charge that is to be waited for, how long in ms}, or {0, 0}.
return { spend((read_charges(ARGS))) }
