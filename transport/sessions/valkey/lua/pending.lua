-- ARGV: session, the last event of its standalone stream that is known. Returns how many calls run anywhere whose answers
-- belong there, and how many events are newer.
local known = call('HMGET', record_of(ARGV[ARGS]), 'open', 'tail')
return { tonumber(known[1] or 0), math.max(0, tonumber(known[2] or 0) - tonumber(ARGV[ARGS + 1])) }
