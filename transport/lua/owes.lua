-- ARGV: session, the last event that is known. Returns how many of its calls run anywhere, and how many events are newer.
local known = call('HMGET', record_of(ARGV[ARGS]), 'open', 'last')
return { tonumber(known[1] or 0), math.max(0, tonumber(known[2] or 0) - tonumber(ARGV[ARGS + 1])) }
