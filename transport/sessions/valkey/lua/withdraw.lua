-- Takes back a request that was given up before it was known to be recorded. ARGV: session, request, token, and the
-- answer for whoever repeated it meanwhile and was told that it runs.
local session, request = ARGV[ARGS], ARGV[ARGS + 1]
local claim = read_claim(session, request)
local is_mine = claim and claim.instance == me and claim.token == ARGV[ARGS + 2]
if is_mine and claim.is_running and call('EXISTS', record_of(session)) == 1 then
  if claim.answer == AWAITED then
    claim.is_running = false
    claim.answer = store(session, claim.stream, ANSWER, request, claim.writes, ARGV[ARGS + 3], true)
    write_claim(session, request, claim)
  else
    call('HDEL', claims_of(session), request)
  end
  count_open(session, claim.stream, -1)
  call('SREM', running_on(me), session .. ' ' .. request)
end
return 1
