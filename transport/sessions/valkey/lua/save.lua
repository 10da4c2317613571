-- Keeps what `initialize` and `initialized` changed. ARGV: session, epoch, version, params, initialized.
-- Returns the new stamp, or 0 when the session is gone or began another epoch meanwhile.
local session = ARGV[ARGS]
local record = record_of(session)
local known = call('HMGET', record, 'epoch', 'holder')
if known[1] ~= ARGV[ARGS + 1] then return 0 end
call('HSET', record, 'version', ARGV[ARGS + 2], 'params', ARGV[ARGS + 3], 'initialized', ARGV[ARGS + 4])
if known[2] and known[2] ~= '' and known[2] ~= me then say(known[2], 'stale ' .. session) end
return call('HINCRBY', record, 'stamp', 1)
