-- ARGV: session, the last event of its standalone stream that is known. Returns how many attempts run whose responses
-- belong there, and how many events are newer.
local session, running = ARGV[ARGS], 0
for _, claim in pairs(running_in(session)) do
  if claim.stream == '' then running = running + 1 end
end
return { running, math.max(0, tonumber(call('HGET', record_of(session), 'tail') or 0) - tonumber(ARGV[ARGS + 1])) }
