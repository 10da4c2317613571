-- Writes the record of a session again after all data was lost. ARGV: session, token of its stream, owner, wire, version,
-- params, initialized, epoch, last, delivered, certain, asked. Its stamp is one that nobody knows.
local session, owner = ARGV[ARGS], ARGV[ARGS + 2]
local record = record_of(session)
if call('EXISTS', record) == 1 then return 0 end
call('HSET', record, 'holder', me, 'stream', ARGV[ARGS + 1], 'owner', owner, 'wire', ARGV[ARGS + 3],
  'version', ARGV[ARGS + 4], 'params', ARGV[ARGS + 5], 'initialized', ARGV[ARGS + 6], 'epoch', ARGV[ARGS + 7],
  'last', ARGV[ARGS + 8], 'delivered', ARGV[ARGS + 9], 'certain', ARGV[ARGS + 10], 'asked', ARGV[ARGS + 11],
  'stamp', int(now), 'bytes', 0, 'open', 0, 'order', 0, 'seen', int(now))
keep(session)
call('ZADD', sessions_of(owner), int(now), session)
call('PEXPIRE', sessions_of(owner), int(2 * idle_ms))
return 1
