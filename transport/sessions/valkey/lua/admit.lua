-- Records requests before they run. ARGV: session, owner, wire, the stamp that is known, the stream that answers belong
-- to, a token for its reader here ('' for none), the number of charges and for each its bucket, interval and burst, then
-- for each request: its id, digest, whether it writes, whether it opens an epoch, a token by which this very attempt is
-- known again, and the places of its charges, one digit each.
-- Returns {} when there is no such session, else {stamp, epoch, {admissions}, {fields of the record if the stamp is new},
-- number of the newest event of the stream before, {for each request the place among its charges of the one that could
-- not be paid and the ms to wait, or 0, 0}}. Who cannot pay is recorded all the same: it has its one answer to come.
local NEW, RUNNING, ANSWERED, REFUSED = 1, 2, 3, 4
local session, owner, wire, stamp = ARGV[ARGS], ARGV[ARGS + 1], ARGV[ARGS + 2], ARGV[ARGS + 3]
local stream, reader = ARGV[ARGS + 4], ARGV[ARGS + 5]
local record, claims = record_of(session), claims_of(session)

local known = call('HMGET', record, 'owner', 'wire', 'stamp', 'epoch')
if known[1] ~= owner or known[2] ~= wire then return {} end

local charges, first = read_charges(ARGS + 6)
local requests = {}
for index = first, #ARGV, 6 do
  local pays = {}
  for place in string.gmatch(ARGV[index + 5], '%d') do pays[#pays + 1] = charges[tonumber(place)] end
  requests[#requests + 1] = {
    id = ARGV[index], digest = ARGV[index + 1], writes = ARGV[index + 2], opens = ARGV[index + 3] == '1',
    token = ARGV[index + 4], pays = pays,
  }
end

local function begin_epoch()
  local all = call('HGETALL', claims)
  for index = 1, #all, 2 do
    local instance, its_stream = string.match(all[index + 1], '^run (%S+) .* (%S*)$')
    if instance then
      call('SREM', running_on(instance), session .. ' ' .. all[index])
      if its_stream ~= '' then dismiss(session, its_stream) end -- whoever waits there for an answer waits in vain
    end
  end
  call('DEL', claims)
  call('HSET', record, 'open', 0)
  known[4] = int(call('HINCRBY', record, 'epoch', 1))
  known[3] = int(call('HINCRBY', record, 'stamp', 1))
end

local function judge(request)
  local claim = read_claim(session, request.id)
  if not claim then return NEW end
  if claim.token == request.token and claim.instance == me then return NEW end -- this very attempt, sent again
  if claim.digest ~= request.digest then return REFUSED end
  if claim.is_running then
    claim.answer = AWAITED
    write_claim(session, request.id, claim)
    return RUNNING
  end
  if claim.answer == 0 then return REFUSED end
  expire(session)
  local id = int(claim.answer) .. '-0'
  return #call('XRANGE', log_of(session), id, id) == 1 and ANSWERED or REFUSED
end

local function answer_again(request)
  local claim = read_claim(session, request.id)
  local id = int(claim.answer) .. '-0'
  local message = call('XRANGE', log_of(session), id, id)[1][2][10]
  claim.stream = stream
  claim.answer = store(session, stream, ANSWER, request.id, claim.writes, message, true)
  write_claim(session, request.id, claim)
end

local function forget_old_ids()
  local surplus = call('HLEN', claims) - max_ids
  if surplus <= 0 then return end
  local ended, all = {}, call('HGETALL', claims)
  for index = 1, #all, 2 do
    local order = string.match(all[index + 1], '^end .* (%S+) %S*$')
    if order then ended[#ended + 1] = { tonumber(order), all[index] } end
  end
  table.sort(ended, function(one, other) return one[1] < other[1] end)
  for index = 1, math.min(#ended, surplus + math.floor(max_ids / 10)) do -- some more, so that it is seldom
    call('HDEL', claims, ended[index][2])
  end
end

for _, request in ipairs(requests) do
  if request.opens then
    local claim = read_claim(session, request.id)
    if not (claim and claim.is_running and claim.digest == request.digest) then begin_epoch() end
  end
end

local admissions, refused = {}, false
for index, request in ipairs(requests) do
  admissions[index] = judge(request)
  refused = refused or admissions[index] == REFUSED
end
local tail, waits = 0, {}
if not refused then
  if reader ~= '' then
    tail = tonumber(call('HGET', place_of(session, stream), 'tail') or 0)
    take_over(session, stream, reader)
  end
  for index, request in ipairs(requests) do
    waits[index] = { 0, 0 }
    -- An attempt that is sent again pays again: whether it could pay before is not known, and nobody else is told.
    if admissions[index] == NEW then waits[index] = { spend(request.pays) } end
    if admissions[index] == NEW and not read_claim(session, request.id) then
      write_claim(session, request.id, {
        is_running = true, instance = me, token = request.token, writes = request.writes, digest = request.digest,
        answer = 0, order = call('HINCRBY', record, 'order', 1), stream = stream,
      })
      count_open(session, stream, 1)
      call('SADD', running_on(me), session .. ' ' .. request.id)
    elseif admissions[index] == ANSWERED then
      answer_again(request)
    elseif admissions[index] == RUNNING then
      local claim = read_claim(session, request.id)
      if claim.stream ~= stream then
        claim.stream = stream
        write_claim(session, request.id, claim)
      end
    end
  end
  if #requests > 0 then
    forget_old_ids()
    call('PEXPIRE', running_on(me), int(2 * idle_ms))
    call('ZADD', INSTANCES, 'GT', int(now + lease_ms), me) -- who has calls running can be found dead
  end
end
call('HSET', record, 'seen', int(now))
keep(session)
local fields = {}
if known[3] ~= stamp then
  fields = call('HMGET', record, 'owner', 'wire', 'version', 'params', 'initialized', 'epoch', 'stamp')
end
return { known[3], known[4], admissions, fields, tail, waits }
