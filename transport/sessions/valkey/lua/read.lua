-- ARGV: session, token of the reader, after, stream.
-- Returns {} without a session, else {number of the stream's newest event, {events after that one}, whether another
-- reader has it by now}.
local session, stream = ARGV[ARGS], ARGV[ARGS + 3]
if call('EXISTS', record_of(session)) == 0 then return {} end
local known = call('HMGET', place_of(session, stream), 'tail', 'reader')
local tail = tonumber(known[1] or 0)
if known[2] ~= ARGV[ARGS + 1] then return { tail, {}, 1 } end
return { tail, (pending(session, stream, tonumber(ARGV[ARGS + 2]))), 0 }
