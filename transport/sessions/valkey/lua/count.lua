-- Notes how many streams of a principal are open on this instance, unless all instances together would have too many.
-- ARGV: owner, a number that grows with each such note of this instance, how many are open here, the cap ('' for none).
-- Returns 1, or 0 above the cap. What an instance noted counts for as long as its lease; a note that was overtaken by a
-- newer one changes nothing. Key:
--   h:<owner>     hash    instance -> "number of the note, streams"
local owner, note, here, cap = ARGV[ARGS], tonumber(ARGV[ARGS + 1]), tonumber(ARGV[ARGS + 2]), tonumber(ARGV[ARGS + 3])
local counts = prefix .. 'h:' .. owner
local others, known = 0, 0
local all = call('HGETALL', counts)
for index = 1, #all, 2 do
  local its_note, streams = string.match(all[index + 1], '^(%d+) (%d+)$')
  if all[index] == me then
    known = tonumber(its_note)
  elseif is_alive(all[index]) then
    others = others + tonumber(streams)
  else
    call('HDEL', counts, all[index])
  end
end
if cap and others + here > cap then return 0 end
if note > known then call('HSET', counts, me, int(note) .. ' ' .. int(here)) end
-- Instances note again every 10 s what is open. Where nothing is, a note that was given up may still be on its way.
call('PEXPIRE', counts, others + here > 0 and 60000 or 1000)
return 1
