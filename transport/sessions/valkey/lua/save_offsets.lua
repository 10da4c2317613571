-- Keeps how far streams were written; a sign of life. ARGV: is_released, then for each stream: session, token of its
-- reader, delivered, certain, asked, stream. Returns for each 1; 0 when another reader has the stream by now; -1 without
-- a session.
local is_released = ARGV[ARGS] == '1'

local function save(session, reader, offsets, stream)
  local record, place = record_of(session), place_of(session, stream)
  local owner = call('HGET', record, 'owner')
  if not owner then return -1 end
  if call('HGET', place, 'reader') ~= reader then return 0 end
  for name, offset in pairs(offsets) do -- a reader that wrote nothing yet begins at 0
    if tonumber(call('HGET', place, name) or 0) < tonumber(offset) then call('HSET', place, name, offset) end
  end
  call('HSET', place, 'holder', is_released and '' or me)
  if stream ~= '' then call('PEXPIRE', place, int(is_released and kept_ms or idle_ms)) end
  call('HSET', record, 'seen', int(now))
  keep(session)
  keep_owner(owner)
  return 1
end

local replies = {}
for index = ARGS + 1, #ARGV, 6 do
  local offsets = { delivered = ARGV[index + 2], certain = ARGV[index + 3], asked = ARGV[index + 4] }
  replies[#replies + 1] = save(ARGV[index], ARGV[index + 1], offsets, ARGV[index + 5])
end
return replies
