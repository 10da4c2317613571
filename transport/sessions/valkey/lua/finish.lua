-- Closes a running request, with its answer or without. ARGV: session, epoch, request, the instance that ran it, the
-- token of its admission ('' for any), has_answer, answer, and for a request that may not be recorded: is_late, digest,
-- writes, stream. Returns {1 when it was open, 0 when it was not, -1 without a session}, and for 1 also the number of the
-- answer (0 unless the stream is held here), the number of the event before it (-1 if not known), and the stream.
local session, epoch, request = ARGV[ARGS], ARGV[ARGS + 1], ARGV[ARGS + 2]
local instance, token = ARGV[ARGS + 3], ARGV[ARGS + 4]
local has_answer, answer = ARGV[ARGS + 5] == '1', ARGV[ARGS + 6]
local is_late = ARGV[ARGS + 7] == '1'
local record = record_of(session)

local function drop(code)
  call('SREM', running_on(instance), session .. ' ' .. request)
  return { code }
end

local now_epoch = call('HGET', record, 'epoch')
if not now_epoch then return drop(-1) end
if now_epoch ~= epoch then return drop(0) end
local claim = read_claim(session, request)
if not claim then
  if not is_late then return drop(0) end
  claim = {
    is_running = true, instance = instance, token = token, digest = ARGV[ARGS + 8], writes = ARGV[ARGS + 9],
    answer = 0, order = call('HINCRBY', record, 'order', 1), stream = ARGV[ARGS + 10],
  }
  count_open(session, claim.stream, 1)
end
if claim.instance ~= instance or (token ~= '' and claim.token ~= token) then return drop(0) end
if not claim.is_running then -- this very script, sent again: whoever holds the stream is told by its answer alone
  local is_here = call('HGET', place_of(session, claim.stream), 'holder') == me
  return { token ~= '' and 1 or 0, is_here and claim.answer or 0, -1, claim.stream }
end
local number, is_here, before = 0, false, 0
if has_answer then
  number, is_here, before = store(session, claim.stream, ANSWER, request, claim.writes, answer, false)
end
claim.is_running, claim.answer = false, number
if token == '' then claim.token = '-' end -- its own instance, should it live, is told that it came too late
write_claim(session, request, claim)
count_open(session, claim.stream, -1)
call('SREM', running_on(instance), session .. ' ' .. request)
keep(session)
return { 1, is_here and number or 0, before, claim.stream }
