-- Settles a write. ARGV, after owner, most and lease: token, state ('' forgets it), age in ms, subject, then what it is
-- should its claim be unknown here: words, key, life, upstream, seen.
local token, state = ARGV[ARGS + 3], ARGV[ARGS + 4]
local kept, count = kept_writes()
local write = kept[token]
if write then
  drop_write(kept, token)
  count = count - 1
else
  write = {
    words = ARGV[ARGS + 7], key = ARGV[ARGS + 8], life = tonumber(ARGV[ARGS + 9]),
    upstream = ARGV[ARGS + 10], seen = ARGV[ARGS + 11],
  }
end
if state == '' then return 0 end
write.state, write.now, write.at, write.until_ms = state, state, now - tonumber(ARGV[ARGS + 5]), now
write.subject = ARGV[ARGS + 6]
keep_write(kept, count, token, write)
return 1
