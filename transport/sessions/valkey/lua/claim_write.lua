-- Claims a write. ARGV, after owner, most and lease: token, words, key, window, life, upstream, seen, '1' when a
-- duplicate is meant. Returns {} when it is new (or the token's own), else {state, age in ms, subject, upstream, seen,
-- 1 when the keys match} of the earlier one; a doubt is handed over to the token.
local token, words, key = ARGV[ARGS + 3], ARGV[ARGS + 4], ARGV[ARGS + 5]
local window, life = tonumber(ARGV[ARGS + 6]), tonumber(ARGV[ARGS + 7])
local upstream, seen, duplicate = ARGV[ARGS + 8], ARGV[ARGS + 9], ARGV[ARGS + 10] == '1'
local kept, count = kept_writes()
local mine = kept[token]
if mine then
  if mine.state == 'running' then
    mine.until_ms = now + lease_for
    keep_write({ [token] = mine }, 0, token, mine)
  end
  return {}
end

local order = { done = 0, running = 1, unanswered = 2, unproved = 3 }
local same, best
for other, known in pairs(kept) do
  local has_keys, fits = key ~= '-' and known.key ~= '-', false
  if has_keys then
    fits = known.key == key
  else
    fits = known.words == words and not duplicate and (now - known.at < window or known.now == 'running')
  end
  if fits then
    local rank = (has_keys and 0 or 10) + order[known.now]
    if not same or rank < best or (rank == best and known.at > kept[same].at) then same, best = other, rank end
  end
end

local claim = {
  state = 'running', now = 'running', at = now, until_ms = now + lease_for, life = life,
  words = words, key = key, upstream = upstream, seen = seen, subject = '',
}
if not same then
  keep_write(kept, count, token, claim)
  return {}
end
local earlier = kept[same]
local by_key = key ~= '-' and earlier.key == key
local state = by_key and earlier.words ~= words and 'conflict' or earlier.now
if state == 'unanswered' or state == 'unproved' then
  drop_write(kept, same)
  claim.at, claim.words, claim.upstream = earlier.at, earlier.words, earlier.upstream
  claim.seen, claim.subject = earlier.seen, earlier.subject
  if key == '-' then claim.key, claim.life = earlier.key, earlier.life end
  keep_write(kept, count - 1, token, claim)
end
return { state, int(now - earlier.at), earlier.subject, earlier.upstream, earlier.seen, by_key and 1 or 0 }
