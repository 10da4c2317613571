-- Pays for a request that belongs to no session. ARGV: the number of costs, then for each: bucket, interval, burst.
-- Returns {place of the cost that is to be waited for, how long in ms}, or {0, 0}.
return { consume((read_costs(ARGS))) }
