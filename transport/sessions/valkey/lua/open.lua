-- Begins a session. ARGV: session, owner, wire, version, params, initialized, cap. Returns 1, or 0 at the cap.
local session, owner, wire = ARGV[ARGS], ARGV[ARGS + 1], ARGV[ARGS + 2]
local cap = tonumber(ARGV[ARGS + 6])
local mine = sessions_of(owner)

if call('EXISTS', record_of(session)) == 1 then return 1 end -- this very script, sent again

local function is_read(one, stream)
  local holder = call('HGET', place_of(one, stream), 'holder')
  return holder and holder ~= '' and is_alive(holder)
end

-- Returns a session that was never used, else the one that was left longest. Responses are kept for as long as promised,
-- unless the client has the id of the session and never sent it back.
local function to_make_room()
  local best, best_used, since
  for _, one in ipairs(call('ZRANGE', mine, 0, -1)) do
    local known = call('HMGET', record_of(one), 'seen', 'used', 'version', 'initialized', 'opening')
    local seen, used = tonumber(known[1]), known[2] and 1 or 0
    if not seen then
      call('ZREM', mine, one) -- it expired
    elseif not is_read(one, '') and not is_read(one, known[5] or '') then
      local was_ignored = known[3] ~= '' and known[4] ~= '1' and used == 0
      local is_better = not best or used < best_used or (used == best_used and seen < since)
      if (was_ignored or seen < now - kept_ms) and is_better then best, best_used, since = one, used, seen end
    end
  end
  return best
end

if call('ZCARD', mine) >= cap then
  local best = to_make_room()
  if call('ZCARD', mine) >= cap then
    if not best then return 0 end
    end_session(best)
  end
end
call('HSET', record_of(session), 'owner', owner, 'wire', wire, 'version', ARGV[ARGS + 3], 'params', ARGV[ARGS + 4],
  'initialized', ARGV[ARGS + 5], 'epoch', 0, 'stamp', 1, 'last', 0, 'bytes', 0,
  'holder', '', 'seen', int(now))
keep(session)
call('ZADD', mine, int(now), session)
keep_owner(owner)
call('ZREMRANGEBYSCORE', OWNERS, '-inf', int(now))
return 1
