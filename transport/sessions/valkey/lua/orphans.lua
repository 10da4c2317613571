-- Returns {session, epoch, request, writes} of some calls of an instance whose lease is over; when it has none left, it
-- is forgotten. ARGV: instance.
local instance = ARGV[ARGS]
if is_alive(instance) then return {} end
local orphans = {}
for _, member in ipairs(call('SRANDMEMBER', running_on(instance), 64)) do
  local session, request = string.match(member, '^(%S+) (.*)$')
  local epoch = call('HGET', record_of(session), 'epoch')
  local claim = epoch and read_claim(session, request)
  if claim and claim.is_running and claim.instance == instance then
    orphans[#orphans + 1] = { session, epoch, request, claim.writes }
  else
    call('SREM', running_on(instance), member)
  end
end
if call('SCARD', running_on(instance)) == 0 then call('ZREM', INSTANCES, instance) end
return orphans
