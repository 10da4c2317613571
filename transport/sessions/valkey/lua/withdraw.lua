-- Takes back an attempt that was given up before it was known to be recorded. ARGV: session, slot, token, and the response
-- for a repeat that joined it meanwhile.
local session, slot, token = ARGV[ARGS], ARGV[ARGS + 1], ARGV[ARGS + 2]
note_end(token) -- the script that records it may come after this one
local claim = read_claim(session, slot)
if claim and claim.token == token and call('EXISTS', record_of(session)) == 1 then
  end_claim(session, slot, claim, claim.is_joined and ARGV[ARGS + 3] or nil, true)
  if claim.stream ~= '' then call('PEXPIRE', place_of(session, claim.stream), int(kept_ms)) end
end
return 1
