-- Adds a notification or a request to a session's log. ARGV: session, kind, message.
-- Returns its number when the stream is held here, else 0; -1 without a session.
local session = ARGV[ARGS]
if call('EXISTS', record_of(session)) == 0 then return -1 end
local number, is_here = store(session, tonumber(ARGV[ARGS + 1]), 'null', '0', ARGV[ARGS + 2], false)
return is_here and number or 0
