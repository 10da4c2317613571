-- Returns {session, slot, token, request, writes, stream} of some attempts of an instance whose lease is over; when it has none
-- left, it is forgotten. ARGV: instance.
local instance = ARGV[ARGS]
if is_alive(instance) then return {} end
local orphans = {}
for _, member in ipairs(call('SRANDMEMBER', running_on(instance), 64)) do
  local session, token, slot = string.match(member, '^(%S+) (%S+) (.*)$')
  local claim = call('EXISTS', record_of(session)) == 1 and read_claim(session, slot)
  if claim and claim.token == token then
    orphans[#orphans + 1] = { session, slot, token, claim.request, claim.writes, claim.stream }
  else
    call('SREM', running_on(instance), member)
  end
end
if call('SCARD', running_on(instance)) == 0 then call('ZREM', INSTANCES, instance) end
return orphans
