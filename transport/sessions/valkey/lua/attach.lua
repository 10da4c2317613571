-- Takes over a stream of a session. ARGV: session, a token for its reader here, after ('' when the client does not say),
-- the stream. Returns {} without such a stream, else {number of its newest event, {fields of the record}, {events that are
-- pending}, {requests whose responses are still to come}}.
local session, reader, after, stream = ARGV[ARGS], ARGV[ARGS + 1], tonumber(ARGV[ARGS + 2]), ARGV[ARGS + 3]
local record, place = record_of(session), place_of(session, stream)
local known = call('HMGET', record, 'owner', 'last')
if not known[1] then return {} end
if after then after = math.min(after, tonumber(known[2])) end
local events, running, is_known = pending(session, stream, after)
if stream ~= '' and not is_known then return {} end
take_over(session, stream, reader)
if after then call('HSET', place, 'delivered', int(after), 'certain', int(after), 'asked', int(after)) end
call('HSET', record, 'seen', int(now), 'used', '1')
keep(session)
local fields = call('HMGET', record, 'owner', 'wire', 'version', 'params', 'initialized', 'epoch', 'stamp')
return { tonumber(call('HGET', place, 'tail') or 0), fields, events, running }
