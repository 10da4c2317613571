-- Notes how far a stream was written; a sign of life. ARGV: session, token, delivered, certain, asked, is_released.
-- Returns 1; 0 when this stream does not have the session any more; -1 without a session.
local session, token = ARGV[ARGS], ARGV[ARGS + 1]
local record = record_of(session)
local known = call('HMGET', record, 'holder', 'stream', 'owner')
if not known[3] then return -1 end
if known[2] ~= token then return 0 end
call('HSET', record, 'delivered', ARGV[ARGS + 2], 'certain', ARGV[ARGS + 3], 'asked', ARGV[ARGS + 4])
call('HSET', record, 'holder', ARGV[ARGS + 5] == '1' and '' or me, 'seen', int(now))
keep(session)
call('PEXPIRE', sessions_of(known[3]), int(2 * idle_ms))
return 1
