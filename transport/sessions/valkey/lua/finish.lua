-- Ends an attempt, with its response or without; of another instance only when that is dead. ARGV: session, slot, token,
-- has_response, response.
-- Returns {1 when the attempt ran until now, 0 when it did not, -1 without a session}, and for 1 also the number of the
-- response (0 unless its stream is read here) and the number of the event before it (-1 if not known).
local session, slot, token = ARGV[ARGS], ARGV[ARGS + 1], ARGV[ARGS + 2]
local response = ARGV[ARGS + 3] == '1' and ARGV[ARGS + 4] or nil

if call('EXISTS', record_of(session)) == 0 then
  call('SREM', running_on(me), table.concat({ session, token, slot }, ' '))
  return { -1 }
end
local claim = read_claim(session, slot)
if not claim or claim.token ~= token then
  if has_ended(token) then return { 1, 0, -1 } end -- this very script, sent again
  return { 0 }
end
if claim.instance ~= me and is_alive(claim.instance) then return { 0 } end -- its lease lapsed, and it came back
local number, is_here, before = end_claim(session, slot, claim, response, false)
keep(session)
return { 1, is_here and number or 0, before }
