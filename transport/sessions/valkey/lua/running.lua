-- Returns the tokens of the attempts that run with a request id, on whatever instance. ARGV: session, request.
local tokens = {}
for _, claim in pairs(running_in(ARGV[ARGS])) do
  if claim.request == ARGV[ARGS + 1] then tokens[#tokens + 1] = claim.token end
end
return tokens
