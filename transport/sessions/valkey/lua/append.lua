-- Adds a notification or a request to a session's log. ARGV: session, kind, message, stream.
-- Returns {its number when the stream is read here, else 0; number of the event before it}; {-1} without a session.
local session = ARGV[ARGS]
if call('EXISTS', record_of(session)) == 0 then return { -1 } end
local kind, stream = tonumber(ARGV[ARGS + 1]), ARGV[ARGS + 3]
local number, is_here, before = store(session, stream, kind, 'null', '0', ARGV[ARGS + 2], false)
return { is_here and number or 0, before }
