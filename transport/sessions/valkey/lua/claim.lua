-- Records requests before they run. ARGV: session, owner, wire, the stamp that is known, a name for the stream of this
-- POST ('' where all responses share the standalone stream), a token for its reader here ('' for none), the number of
-- costs and for each its bucket, interval and burst, then for each request: its id, digest, whether it writes, whether it
-- opens an epoch, the token of this attempt, and the places of its costs, one digit each.
-- Returns {} when there is no such session, else {stamp, epoch, {statuses}, {fields of the record if the stamp is new},
-- the stream on which the responses come, number of its newest event before, {for each request the place among its costs
-- of the one that could not be paid and the ms to wait, or 0, 0}}. What cannot be paid for is recorded all the same: its
-- one response is still to come.
local NEW, JOINED, REFUSED = 1, 2, 3
local session, owner, wire, stamp = ARGV[ARGS], ARGV[ARGS + 1], ARGV[ARGS + 2], ARGV[ARGS + 3]
local stream, reader = ARGV[ARGS + 4], ARGV[ARGS + 5]
local record = record_of(session)

local known = call('HMGET', record, 'owner', 'wire', 'stamp', 'epoch')
if known[1] ~= owner or known[2] ~= wire then return {} end

local costs, first = read_costs(ARGS + 6)
local requests, opens, uses = {}, false, false
for index = first, #ARGV, 6 do
  local pays = {}
  for place in string.gmatch(ARGV[index + 5], '%d') do pays[#pays + 1] = costs[tonumber(place)] end
  local request = {
    id = ARGV[index], digest = ARGV[index + 1], writes = ARGV[index + 2], opens = ARGV[index + 3] == '1',
    token = ARGV[index + 4], pays = pays,
  }
  request.slot = slot_of(request.id, request.digest, stream)
  request.running = read_claim(session, request.slot)
  request.is_repeat = request.running and request.running.digest == request.digest
  request.was_sent = was_claimed(request.token) or (request.running and request.running.token == request.token)
  opens = opens or (request.opens and not request.is_repeat and not request.was_sent)
  uses = uses or not request.opens
  requests[#requests + 1] = request
end

-- Returns what becomes of each request, whether any is refused, and the stream on which the responses come.
local function decide()
  local statuses, joined, count, has_new, has_refused = {}, {}, 0, false, false
  for index, request in ipairs(requests) do
    if request.was_sent or opens or not request.running then -- this very attempt, sent again, is as new as before
      statuses[index], has_new = NEW, true
    elseif not request.is_repeat then
      statuses[index], has_refused = REFUSED, true
    else
      statuses[index] = JOINED
      if not joined[request.running.stream] then count = count + 1 end
      joined[request.running.stream] = true
    end
  end
  if stream == '' or count == 0 then return statuses, has_refused, stream end
  if count == 1 and not has_new then return statuses, has_refused, (next(joined)) end
  for index, status in ipairs(statuses) do
    if status == JOINED then statuses[index] = REFUSED end
  end
  return statuses, true, stream
end

local function begin_epoch()
  for slot, claim in pairs(running_in(session)) do
    forget_claim(session, slot, claim)
    note_end_elsewhere(claim)
    if claim.stream ~= '' then dismiss(session, claim.stream) end -- no response will come there
  end
  call('HSET', record, 'opening', stream)
  known[4] = int(call('HINCRBY', record, 'epoch', 1))
  known[3] = int(call('HINCRBY', record, 'stamp', 1))
end

-- The response to an earlier attempt would resolve this one: whether it was written or not, it goes.
local function withdraw_response(request)
  local responses = responses_of(session, stream)
  local response = call('HGET', responses, request.id)
  if not response then return end
  call('HDEL', responses, request.id)
  local number = string.match(response, '^%d+')
  local entry = call('XRANGE', log_of(session), number .. '-0', number .. '-0')[1]
  if entry then
    call('XDEL', log_of(session), entry[1])
    call('HINCRBY', record, 'bytes', -#entry[2][10])
  end
  local holder = call('HGET', place_of(session, stream), 'holder')
  if holder and holder ~= '' and holder ~= me then
    say(holder, table.concat({ 'withdrawn', session, stream, number, request.id }, ' '))
  end
end

local function record_attempt(request)
  withdraw_response(request)
  write_claim(session, request.slot, {
    instance = me, token = request.token, writes = request.writes, digest = request.digest, stream = stream,
    request = request.id,
  })
  call('SADD', running_on(me), table.concat({ session, request.token, request.slot }, ' '))
end

local function forget_old_responses()
  local responses = responses_of(session, '')
  local surplus = call('HLEN', responses) - max_ids
  if surplus <= 0 then return end
  local numbers, all = {}, call('HGETALL', responses)
  for index = 1, #all, 2 do
    numbers[#numbers + 1] = { tonumber(string.match(all[index + 1], '^%d+')), all[index] }
  end
  table.sort(numbers, function(one, other) return one[1] < other[1] end)
  for index = 1, math.min(#numbers, surplus + math.floor(max_ids / 10)) do -- some more, so that it is seldom
    call('HDEL', responses, numbers[index][2])
  end
end

local statuses, has_refused, joined = decide()
local tail, waits = 0, {}
if not has_refused then
  stream = joined
  if opens then begin_epoch() end
  tail = tonumber(call('HGET', place_of(session, stream), 'tail') or 0)
  if reader ~= '' then take_over(session, stream, reader) end
  for index, request in ipairs(requests) do
    waits[index] = { 0, 0 }
    -- An attempt that is sent again pays again: whether it could pay before is not known, and its caller learns only this.
    if statuses[index] == NEW then waits[index] = { consume(request.pays) } end
    if statuses[index] == NEW and not request.was_sent then
      record_attempt(request)
    elseif statuses[index] == JOINED then
      request.running.is_joined = true
      write_claim(session, request.slot, request.running)
    end
  end
  if #requests > 0 then
    forget_old_responses()
    call('PEXPIRE', running_on(me), int(2 * idle_ms))
    call('ZADD', INSTANCES, 'GT', int(now + lease_ms), me) -- an instance with attempts can be found dead
  end
end
call('HSET', record, 'seen', int(now))
if uses then call('HSET', record, 'used', '1', 'called', int(now)) end
keep(session)
local fields = {}
if known[3] ~= stamp then
  fields = call('HMGET', record, 'owner', 'wire', 'version', 'params', 'initialized', 'epoch', 'stamp')
end
return { known[3], known[4], statuses, fields, stream, tail, waits }
