-- Recent writes of principals, as shared/writes/recent_writes.py describes them. Key:
--   w1:<owner>    hash    token of the claim -> "state began-or-ended until life words key upstream seen subject"
-- Times in ms. `key` is '-' for a call without one; `subject` may be empty. Expires with the last of them.
local owner, most, lease_for = ARGV[ARGS], tonumber(ARGV[ARGS + 1]), tonumber(ARGV[ARGS + 2])
local writes = shared .. 'w1:' .. owner

local function read_write(value)
  local state, at, until_ms, life, words, key, upstream, seen, subject =
    string.match(value, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (.*)$')
  local write = {
    state = state, at = tonumber(at), until_ms = tonumber(until_ms), life = tonumber(life),
    words = words, key = key, upstream = upstream, seen = seen, subject = subject,
  }
  write.now = state == 'running' and write.until_ms <= now and 'unanswered' or state
  return write
end

-- Returns what is kept by token, and how many; what is over is deleted.
local function kept_writes()
  local kept, count, all = {}, 0, call('HGETALL', writes)
  for index = 1, #all, 2 do
    local write = read_write(all[index + 1])
    if math.max(write.at + write.life, write.until_ms) > now then
      kept[all[index]], count = write, count + 1
    else
      call('HDEL', writes, all[index])
    end
  end
  return kept, count
end

local function drop_write(kept, token)
  call('HDEL', writes, token)
  kept[token] = nil
end

-- Keeps a write; of too many, the one that would be forgotten first makes room, running ones last.
local function keep_write(kept, count, token, write)
  while count >= most do
    local first, first_end
    for other, known in pairs(kept) do
      local ends = known.at + known.life + (known.now == 'running' and 1e15 or 0)
      if not first or ends < first_end then first, first_end = other, ends end
    end
    drop_write(kept, first)
    count = count - 1
  end
  kept[token] = write
  call('HSET', writes, token, table.concat({
    write.state, int(write.at), int(write.until_ms), int(write.life),
    write.words, write.key, write.upstream, write.seen, write.subject,
  }, ' '))
  local last = 0
  for _, known in pairs(kept) do last = math.max(last, known.at + known.life, known.until_ms) end
  call('PEXPIRE', writes, int(math.max(last - now, 1)))
end
