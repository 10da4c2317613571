-- Every script begins with this. Its own arguments come after the common ones, from ARGV[ARGS] on.
--
-- Keys, all with an expiry, behind `prefix`, which has the number of the layout. Raise LAYOUT in scripts.py with every
-- change that instances of two versions cannot share. Recent writes and rates are behind `shared` instead, since what
-- one version did or let through counts for the other: raise the number in their own keys when their form changes.
--   s:<session>   hash    the record, and the state of its standalone stream: which instance reads it, how far it was
--                         written
--   t:<session>:<stream>  hash  the state of another stream, and its responses as in d:
--   c:<session>   hash    the attempts that run: slot -> "instance token writes is_joined digest stream request"
--   d:<session>   hash    the responses on the standalone stream: request -> "number writes"
--   e:<session>   stream  its log, of all streams; the id of an entry is <number>-0
--   o:<owner>     zset    sessions of a principal, by when they were opened
--   p             zset    principals with sessions, by when their o: expires
--   r:<instance>  set     "<session> <token> <slot>" of every attempt that runs there
--   x:<instance>  zset    tokens of attempts that it ended lately, by when; "claimed <token>" of those that it claimed
--                         and another instance, or a new epoch, ended
--   i             zset    instances, by when their lease ends
--   g             string  which store this is: another one after all data was lost
-- Channels: n:<instance> for one instance, n: for all.
-- A script may be sent again when its reply was lost, and carried out late, so each gives the same reply twice.
-- The rule of claims, and what a slot is: transport/sessions/claims.py.

local prefix, me = ARGV[1], ARGV[2]
local idle_ms, kept_ms = tonumber(ARGV[3]), tonumber(ARGV[4])
local max_events, max_bytes, max_ids = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local lease_ms = tonumber(ARGV[8])
local shared = ARGV[9]
local ARGS = 10

local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local INSTANCES, OWNERS = prefix .. 'i', prefix .. 'p'
local NOTIFICATION, REQUEST, RESPONSE = 1, 2, 3
local REPEATED_MS = 60000 -- how long a script may still be carried out that was sent again

local function record_of(session) return prefix .. 's:' .. session end
local function place_of(session, stream)
  return stream == '' and record_of(session) or prefix .. 't:' .. session .. ':' .. stream
end
local function responses_of(session, stream)
  return stream == '' and prefix .. 'd:' .. session or place_of(session, stream)
end
local function claims_of(session) return prefix .. 'c:' .. session end
local function log_of(session) return prefix .. 'e:' .. session end
local function sessions_of(owner) return prefix .. 'o:' .. owner end
local function running_on(instance) return prefix .. 'r:' .. instance end
local function ended_on(instance) return prefix .. 'x:' .. instance end

local function int(value) return string.format('%.0f', value) end -- Lua writes large numbers with an exponent

local function say(instance, text) return call('PUBLISH', prefix .. 'n:' .. instance, text) end

local function keep(session)
  call('PEXPIRE', record_of(session), int(idle_ms))
  call('PEXPIRE', claims_of(session), int(idle_ms))
  call('PEXPIRE', responses_of(session, ''), int(idle_ms))
  call('PEXPIRE', log_of(session), int(idle_ms))
end

local function keep_owner(owner)
  local life_ms = 2 * idle_ms
  call('PEXPIRE', sessions_of(owner), int(life_ms))
  call('ZADD', OWNERS, int(now + life_ms), owner)
  call('PEXPIRE', OWNERS, int(life_ms))
end

local function is_alive(instance)
  local until_ms = call('ZSCORE', INSTANCES, instance)
  return until_ms and tonumber(until_ms) > now
end

local function slot_of(request, digest, stream) return stream == '' and request or digest .. ' ' .. request end

local CLAIM = '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S*) (.*)$'
local function decode_claim(value)
  local instance, token, writes, is_joined, digest, stream, request = string.match(value, CLAIM)
  return {
    instance = instance, token = token, writes = writes, is_joined = is_joined == '1', digest = digest,
    stream = stream, request = request,
  }
end

local function read_claim(session, slot)
  local value = call('HGET', claims_of(session), slot)
  return value and decode_claim(value)
end

local function write_claim(session, slot, claim)
  local value = table.concat({
    claim.instance, claim.token, claim.writes, claim.is_joined and '1' or '0', claim.digest, claim.stream,
    claim.request,
  }, ' ')
  call('HSET', claims_of(session), slot, value)
end

-- Returns the attempts that run, by slot.
local function running_in(session)
  local running, all = {}, call('HGETALL', claims_of(session))
  for index = 1, #all, 2 do running[all[index]] = decode_claim(all[index + 1]) end
  return running
end

local function forget_claim(session, slot, claim)
  call('HDEL', claims_of(session), slot)
  call('SREM', running_on(claim.instance), table.concat({ session, claim.token, slot }, ' '))
end

local function remember(instance, what)
  call('ZADD', ended_on(instance), int(now), what)
  call('ZREMRANGEBYSCORE', ended_on(instance), '-inf', int(now - REPEATED_MS))
  call('PEXPIRE', ended_on(instance), int(REPEATED_MS))
end

-- This instance ended an attempt. Its own script may come again; so may the one that claimed the attempt, on whatever
-- instance, and it must not record it once more.
local function note_end(token) remember(me, token) end
local function note_end_elsewhere(claim) remember(claim.instance, 'claimed ' .. claim.token) end
local function has_ended(token) return call('ZSCORE', ended_on(me), token) end
local function was_claimed(token)
  return has_ended(token) or call('ZSCORE', ended_on(me), 'claimed ' .. token)
end

local function number_of(entry) return tonumber(string.match(entry[1], '^%d+')) end

-- Ends the reader of a stream, unless that is `reader`.
local function dismiss(session, stream, reader)
  local known = call('HMGET', place_of(session, stream), 'holder', 'reader')
  if known[1] and known[1] ~= '' and known[2] ~= reader then
    say(known[1], table.concat({ 'replaced', session, stream, known[2] }, ' '))
  end
end

-- Makes this instance read a stream from now on, and ends its reader of before.
local function take_over(session, stream, reader)
  local place = place_of(session, stream)
  dismiss(session, stream, reader)
  call('HSET', place, 'holder', me, 'reader', reader)
  call('PEXPIRE', place, int(idle_ms))
end

-- Gives up events until the log is within its bounds: delivered ones, then notifications, requests, responses. The
-- number of a response stays in responses_of, by which its reader learns later that it was lost.
local function shrink(session)
  local record, log = record_of(session), log_of(session)
  local bytes, count, delivered = tonumber(call('HGET', record, 'bytes')), call('XLEN', log), {}
  local function is_delivered(entry)
    local stream = entry[2][12]
    delivered[stream] = delivered[stream] or tonumber(call('HGET', place_of(session, stream), 'delivered') or 0)
    return number_of(entry) <= delivered[stream]
  end
  while bytes > max_bytes or count > max_events do -- in a log of one stream that is all, and it is quick
    local oldest = call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
    if not oldest or not is_delivered(oldest) then break end
    call('XDEL', log, oldest[1])
    bytes, count = bytes - #oldest[2][10], count - 1
  end
  local is_over = bytes > max_bytes or count > max_events
  local entries = is_over and call('XRANGE', log, '-', '+') or {}
  local function give_up(is_wanted)
    for index, entry in ipairs(entries) do
      if bytes <= max_bytes and count <= max_events then return end
      if entry and is_wanted(entry) then
        call('XDEL', log, entry[1])
        bytes, count, entries[index] = bytes - #entry[2][10], count - 1, false
      end
    end
  end
  give_up(is_delivered)
  for kind = NOTIFICATION, RESPONSE do
    give_up(function(entry) return tonumber(entry[2][2]) == kind end)
  end
  call('HSET', record, 'bytes', int(bytes))
end

-- Gives up what was kept for as long as was promised; a few at a time, oldest first.
local function expire(session)
  for _ = 1, 8 do
    local oldest = call('XRANGE', log_of(session), '-', '+', 'COUNT', 1)[1]
    if not oldest or tonumber(oldest[2][4]) >= now - kept_ms then return end
    call('XDEL', log_of(session), oldest[1])
    call('HINCRBY', record_of(session), 'bytes', -#oldest[2][10])
  end
end

-- Adds an event to a session's log and publishes it to the instance that reads its stream; not to this very instance,
-- which learns it from the reply of its script, unless `tells_me`. Returns the number of the event, whether this instance
-- reads the stream, and the number of the stream's event before it, by which a reader notices that it missed one.
local function store(session, stream, kind, request, writes, message, tells_me)
  local record, log, place = record_of(session), log_of(session), place_of(session, stream)
  local number = call('HINCRBY', record, 'last', 1)
  local id = int(number)
  local known = call('HMGET', place, 'holder', 'tail')
  local holder, before = known[1], tonumber(known[2] or 0)
  call('HSET', place, 'tail', id)
  call('XADD', log, id .. '-0', 'k', kind, 't', int(now), 'w', writes, 'r', request, 'm', message, 's', stream)
  local bytes = call('HINCRBY', record, 'bytes', #message)
  if bytes > max_bytes or call('XLEN', log) > max_events then shrink(session) end
  expire(session)
  call('PEXPIRE', log, int(idle_ms))
  if stream ~= '' then call('PEXPIRE', place, int(idle_ms)) end
  if holder and holder ~= '' and (holder ~= me or tells_me) then
    local head = table.concat({ 'event', session, stream, id, int(kind), writes, int(before), request }, ' ')
    say(holder, head .. '\n' .. message)
  end
  return number, holder == me, before
end

-- Ends an attempt, with its response or without. Returns what `store` returns, or 0, false, 0.
local function end_claim(session, slot, claim, response, tells_me)
  local number, is_here, before = 0, false, 0
  if response then
    number, is_here, before =
      store(session, claim.stream, RESPONSE, claim.request, claim.writes, response, tells_me)
    call('HSET', responses_of(session, claim.stream), claim.request, int(number) .. ' ' .. claim.writes)
  end
  forget_claim(session, slot, claim)
  note_end(claim.token)
  if claim.instance ~= me then note_end_elsewhere(claim) end
  return number, is_here, before
end

-- Returns {number, kind, writes, request, message or false} of what the client may not have of a stream, in order. With
-- `after` that is what is newer. Without, it is what was never written, and each response that was written lately.
-- Also returns the requests whose responses are still to come there, and whether anything is known of the stream.
local function pending(session, stream, after)
  local log = log_of(session)
  expire(session)
  local known = call('HMGET', place_of(session, stream), 'delivered', 'certain', 'asked')
  local delivered, certain = tonumber(known[1] or 0), tonumber(known[2] or 0)
  local from = {
    [NOTIFICATION] = after or delivered,
    [REQUEST] = after or math.max(delivered, tonumber(known[3] or 0)),
    [RESPONSE] = after or certain,
  }
  local found, events, running = {}, {}, {}
  for _, entry in ipairs(call('XRANGE', log, int(math.min(from[1], from[2], from[3]) + 1), '+')) do
    local number, fields = number_of(entry), entry[2]
    found[number] = true
    if fields[12] == stream and number > from[tonumber(fields[2])] then
      events[#events + 1] = { number, tonumber(fields[2]), fields[6], fields[8], fields[10] }
    end
  end
  local responses = call('HGETALL', responses_of(session, stream))
  for index = 1, #responses, 2 do
    local number, writes = string.match(responses[index + 1], '^(%d+) ([01])$') -- other fields look different
    number = tonumber(number)
    if number and number > from[RESPONSE] and not found[number] then
      events[#events + 1] = { number, RESPONSE, writes, responses[index], false }
    end
  end
  for _, claim in pairs(running_in(session)) do
    if claim.stream == stream then running[#running + 1] = claim.request end
  end
  table.sort(events, function(one, other) return one[1] < other[1] end)
  return events, running, #responses > 0 or #running > 0
end

local function end_session(session)
  local owner = call('HGET', record_of(session), 'owner')
  for slot, claim in pairs(running_in(session)) do
    forget_claim(session, slot, claim)
    call('DEL', place_of(session, claim.stream))
  end
  call('DEL', record_of(session), claims_of(session), responses_of(session, ''), log_of(session))
  if owner then call('ZREM', sessions_of(owner), session) end
  say('', 'ended ' .. session)
end
