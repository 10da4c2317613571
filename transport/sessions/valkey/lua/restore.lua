-- Writes the record of a session again after all data was lost, and the state of a stream that is read here. ARGV:
-- session, token of the reader, owner, wire, version, params, initialized, epoch, the stream's newest event, delivered,
-- certain, asked, stream. The stamp of the record is new, so that every instance reads the record again.
local session, reader, owner, stream = ARGV[ARGS], ARGV[ARGS + 1], ARGV[ARGS + 2], ARGV[ARGS + 12]
local tail = tonumber(ARGV[ARGS + 8])
local record, place = record_of(session), place_of(session, stream)
if call('EXISTS', record) == 0 then
  call('HSET', record, 'owner', owner, 'wire', ARGV[ARGS + 3], 'version', ARGV[ARGS + 4], 'params', ARGV[ARGS + 5],
    'initialized', ARGV[ARGS + 6], 'epoch', ARGV[ARGS + 7], 'last', 0, 'stamp', int(now), 'bytes', 0,
    'holder', '', 'used', '1')
  call('ZADD', sessions_of(owner), int(now), session)
end
if tonumber(call('HGET', record, 'last')) < tail then call('HSET', record, 'last', int(tail)) end
local known = call('HMGET', place, 'holder', 'reader')
if not known[2] or known[2] == reader then -- else its client came again meanwhile
  call('HSET', place, 'holder', me, 'reader', reader, 'tail', int(tail), 'delivered', ARGV[ARGS + 9],
    'certain', ARGV[ARGS + 10], 'asked', ARGV[ARGS + 11])
  call('PEXPIRE', place, int(idle_ms))
end
call('HSET', record, 'seen', int(now))
keep(session)
keep_owner(owner)
return 1
