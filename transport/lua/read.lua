-- ARGV: session, token of the stream, after.
-- Returns {} without a session, else {number of the newest event, {events after that one}, whether the stream lost it}.
local session = ARGV[ARGS]
local known = call('HMGET', record_of(session), 'last', 'stream')
if not known[1] then return {} end
if known[2] ~= ARGV[ARGS + 1] then return { tonumber(known[1]), {}, 1 } end
return { tonumber(known[1]), owed(session, tonumber(ARGV[ARGS + 2])), 0 }
