-- ARGV: session. Returns the fields of its record, or {}; a sign of life.
local record = record_of(ARGV[ARGS])
local fields = call('HMGET', record, 'owner', 'wire', 'version', 'params', 'initialized', 'epoch', 'stamp')
if not fields[1] then return {} end
call('HSET', record, 'seen', int(now))
keep(ARGV[ARGS])
return fields
