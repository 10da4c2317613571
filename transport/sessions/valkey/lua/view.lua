-- Reads the sessions of some principals. ARGV: the cursor, 0 at first; most sessions of one principal. Returns the next
-- cursor, 0 at the end, and {owner, wire, version, params, when it was opened, when its client last called or false} of
-- each session.
local part = call('ZSCAN', OWNERS, ARGV[ARGS], 'COUNT', 500)
local views = {}
for place = 1, #part[2], 2 do -- each is followed by its score
  local sessions = call('ZRANGE', sessions_of(part[2][place]), 0, ARGV[ARGS + 1] - 1, 'WITHSCORES')
  for index = 1, #sessions, 2 do
    local known = call('HMGET', record_of(sessions[index]), 'owner', 'wire', 'version', 'params', 'called')
    if known[1] then views[#views + 1] = { known[1], known[2], known[3], known[4], sessions[index + 1], known[5] } end
  end
end
return { part[1], views }
