-- Begins a session. ARGV: session, owner, wire, version, params, initialized, cap. Returns 1, or 0 at the cap.
local session, owner, wire = ARGV[ARGS], ARGV[ARGS + 1], ARGV[ARGS + 2]
local cap = tonumber(ARGV[ARGS + 6])
local mine = sessions_of(owner)

if call('EXISTS', record_of(session)) == 1 then return 1 end -- this very script, sent again

local function left_longest()
  local longest, since = nil, now - kept_ms -- responses are kept for that long
  for _, one in ipairs(call('ZRANGE', mine, 0, -1)) do
    local known = call('HMGET', record_of(one), 'holder', 'seen')
    if not known[2] then
      call('ZREM', mine, one) -- it expired
    elseif (not known[1] or known[1] == '' or not is_alive(known[1])) and tonumber(known[2]) < since then
      longest, since = one, tonumber(known[2])
    end
  end
  return longest
end

if call('ZCARD', mine) >= cap then
  local longest = left_longest()
  if call('ZCARD', mine) >= cap then
    if not longest then return 0 end
    end_session(longest)
  end
end
call('HSET', record_of(session), 'owner', owner, 'wire', wire, 'version', ARGV[ARGS + 3], 'params', ARGV[ARGS + 4],
  'initialized', ARGV[ARGS + 5], 'epoch', 0, 'stamp', 1, 'last', 0, 'bytes', 0,
  'holder', '', 'seen', int(now))
keep(session)
call('ZADD', mine, int(now), session)
call('PEXPIRE', mine, int(2 * idle_ms))
return 1
