-- Every script begins with this. Its own arguments come after the common ones, from ARGV[ARGS] on.
--
-- Keys, all with an expiry:
--   s:<session>   hash    the record, and the place of its standalone stream: who holds it, how far it was written
--   t:<session>:<stream>  hash  the place of another stream
--   c:<session>   hash    request -> "state instance token writes digest answer order stream"
--   e:<session>   stream  its log, of all streams; the id of an entry is <number>-0
--   o:<owner>     zset    sessions of a principal, by when they were opened
--   r:<instance>  set     "<session> <request>" of every call that runs there
--   i             zset    instances, by when their lease ends
--   g             string  which store this is: another one after all data was lost
-- Channels: n:<instance> for one instance, n: for all.
-- A script may be sent again when its answer was lost, so each gives the same answer twice.

local prefix, me = ARGV[1], ARGV[2]
local idle_ms, kept_ms = tonumber(ARGV[3]), tonumber(ARGV[4])
local max_events, max_bytes, max_ids = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local lease_ms = tonumber(ARGV[8])
local ARGS = 9

local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local INSTANCES = prefix .. 'i'
local NOTIFICATION, REQUEST, ANSWER = 1, 2, 3
local AWAITED = -1 -- in place of the number of its answer: a repeat of this running call waits for it

local function record_of(session) return prefix .. 's:' .. session end
local function place_of(session, stream)
  return stream == '' and record_of(session) or prefix .. 't:' .. session .. ':' .. stream
end
local function claims_of(session) return prefix .. 'c:' .. session end
local function log_of(session) return prefix .. 'e:' .. session end
local function sessions_of(owner) return prefix .. 'o:' .. owner end
local function running_on(instance) return prefix .. 'r:' .. instance end

local function int(value) return string.format('%.0f', value) end -- Lua writes large numbers with an exponent

local function say(instance, text) return call('PUBLISH', prefix .. 'n:' .. instance, text) end

local function keep(session)
  call('PEXPIRE', record_of(session), int(idle_ms))
  call('PEXPIRE', claims_of(session), int(idle_ms))
  call('PEXPIRE', log_of(session), int(idle_ms))
end

local function is_alive(instance)
  local until_ms = call('ZSCORE', INSTANCES, instance)
  return until_ms and tonumber(until_ms) > now
end

local function read_claim(session, request)
  local value = call('HGET', claims_of(session), request)
  if not value then return nil end
  local state, instance, token, writes, digest, answer, order, stream =
    string.match(value, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S*)$')
  return {
    is_running = state == 'run', instance = instance, token = token, writes = writes,
    digest = digest, answer = tonumber(answer), order = tonumber(order), stream = stream,
  }
end

local function write_claim(session, request, claim)
  local value = table.concat({
    claim.is_running and 'run' or 'end', claim.instance, claim.token, claim.writes, claim.digest,
    int(claim.answer), int(claim.order), claim.stream,
  }, ' ')
  call('HSET', claims_of(session), request, value)
end

local function number_of(entry) return tonumber(string.match(entry[1], '^%d+')) end

-- A call that its session's standalone stream has to wait for began (1) or ended (-1).
local function count_open(session, stream, change)
  if stream == '' then call('HINCRBY', record_of(session), 'open', change) end
end

-- Tells whoever reads a stream, unless that is `reader`, that it ends for them.
local function dismiss(session, stream, reader)
  local known = call('HMGET', place_of(session, stream), 'holder', 'reader')
  if known[1] and known[1] ~= '' and known[2] ~= reader then
    say(known[1], table.concat({ 'replaced', session, stream, known[2] }, ' '))
  end
end

-- Has this instance read a stream from now on; whoever read it before is told.
local function take_over(session, stream, reader)
  local place = place_of(session, stream)
  dismiss(session, stream, reader)
  call('HSET', place, 'holder', me, 'reader', reader)
  call('PEXPIRE', place, int(idle_ms))
end

-- Gives up events until the log is within its bounds: delivered ones, then notifications, requests, answers. The claim
-- of an answer keeps its number, by which its reader is told later that it was lost.
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
  for kind = NOTIFICATION, ANSWER do
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

-- Adds an event to a session's log and tells whoever holds its stream, except this very instance, which is told by
-- the answer of its script. Returns the number of the event, whether this instance holds the stream, and the number of
-- the stream's event before it, by which a reader notices that it missed one.
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

-- Returns {number, kind, writes, request, message or false} of what the client may not have of a stream, in order. With
-- `after` that is what is newer. Without, it is what was never written, and each answer that was written lately.
-- Also returns the requests whose answers are still to come there, and whether anything was ever asked there.
local function owed(session, stream, after)
  local log = log_of(session)
  expire(session)
  local known = call('HMGET', place_of(session, stream), 'delivered', 'certain', 'asked')
  local delivered, certain = tonumber(known[1] or 0), tonumber(known[2] or 0)
  local from = {
    [NOTIFICATION] = after or delivered,
    [REQUEST] = after or math.max(delivered, tonumber(known[3] or 0)),
    [ANSWER] = after or certain,
  }
  local found, events, running, is_known = {}, {}, {}, false
  for _, entry in ipairs(call('XRANGE', log, int(math.min(from[1], from[2], from[3]) + 1), '+')) do
    local number, fields = number_of(entry), entry[2]
    found[number] = true
    if fields[12] == stream and number > from[tonumber(fields[2])] then
      events[#events + 1] = { number, tonumber(fields[2]), fields[6], fields[8], fields[10] }
    end
  end
  local claims = call('HGETALL', claims_of(session))
  for index = 1, #claims, 2 do
    local state, writes, answer, its_stream = string.match(claims[index + 1], '^(%S+) %S+ %S+ (%S+) %S+ (%S+) %S+ (%S*)$')
    if its_stream == stream then
      local number = tonumber(answer)
      is_known = true
      if state == 'run' then
        running[#running + 1] = claims[index]
      elseif number > from[ANSWER] and not found[number] then
        events[#events + 1] = { number, ANSWER, writes, claims[index], false }
      end
    end
  end
  table.sort(events, function(one, other) return one[1] < other[1] end)
  return events, running, is_known
end

local function end_session(session)
  local owner = call('HGET', record_of(session), 'owner')
  local claims = call('HGETALL', claims_of(session))
  for index = 1, #claims, 2 do
    local instance = string.match(claims[index + 1], '^run (%S+) ')
    if instance then call('SREM', running_on(instance), session .. ' ' .. claims[index]) end
    call('DEL', place_of(session, string.match(claims[index + 1], '(%S*)$')))
  end
  call('DEL', record_of(session), claims_of(session), log_of(session))
  if owner then call('ZREM', sessions_of(owner), session) end
  say('', 'ended ' .. session)
end
