-- Takes over the stream of a session. ARGV: session, a token for this stream, after ('' when the client does not say).
-- Returns {} without a session, else {number of the newest event, {fields of the record}, {events that are owed}}.
local session, token, after = ARGV[ARGS], ARGV[ARGS + 1], tonumber(ARGV[ARGS + 2])
local record = record_of(session)
local known = call('HMGET', record, 'holder', 'stream', 'last')
if not known[3] then return {} end
local last = tonumber(known[3])
if known[1] and known[1] ~= '' and known[2] ~= token then
  say(known[1], 'replaced ' .. session .. ' ' .. known[2])
end
if after then
  after = math.min(after, last)
  call('HSET', record, 'delivered', int(after), 'certain', int(after), 'asked', int(after))
end
call('HSET', record, 'holder', me, 'stream', token, 'seen', int(now))
keep(session)
local fields = call('HMGET', record, 'owner', 'wire', 'version', 'params', 'initialized', 'epoch', 'stamp')
return { last, fields, owed(session, after) }
