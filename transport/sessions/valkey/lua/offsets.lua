-- Notes how far a stream was written; a sign of life. ARGV: session, token of its reader, delivered, certain, asked,
-- is_released, stream. Returns 1; 0 when another one reads it by now; -1 without a session.
local session, reader, is_released, stream = ARGV[ARGS], ARGV[ARGS + 1], ARGV[ARGS + 5] == '1', ARGV[ARGS + 6]
local record, place = record_of(session), place_of(session, stream)
local owner = call('HGET', record, 'owner')
if not owner then return -1 end
if call('HGET', place, 'reader') ~= reader then return 0 end
for index, mark in ipairs({ 'delivered', 'certain', 'asked' }) do -- a reader that wrote nothing yet begins at 0
  if tonumber(call('HGET', place, mark) or 0) < tonumber(ARGV[ARGS + 1 + index]) then
    call('HSET', place, mark, ARGV[ARGS + 1 + index])
  end
end
call('HSET', place, 'holder', is_released and '' or me)
if stream ~= '' then call('PEXPIRE', place, int(is_released and kept_ms or idle_ms)) end
call('HSET', record, 'seen', int(now))
keep(session)
call('PEXPIRE', sessions_of(owner), int(2 * idle_ms))
return 1
