-- Token buckets, as transport/rate_limit.py describes them. Keys, which expire when their bucket is full again:
--   b1:<bucket>   string  the time at which it will be full, in ms of this server's clock
-- Takes one token of each of `costs`, {bucket, interval in ms, burst}, or none at all. Returns the place of the one
-- that is to be waited for longest and how long, in ms; 0, 0 when all are paid.
local function consume(costs)
  local after, longest, which = {}, 0.001, 0 -- sums of intervals are not exact
  for index, cost in ipairs(costs) do
    local empty = now + cost[2] * cost[3] -- full no later than an empty bucket, even if this clock was set back
    local full = math.min(tonumber(call('GET', shared .. 'b1:' .. cost[1]) or 0), empty)
    after[index] = math.max(full, now) + cost[2]
    local wait = after[index] - empty
    if wait > longest then longest, which = wait, index end
  end
  if which > 0 then return which, math.ceil(longest) end
  for index, cost in ipairs(costs) do
    local life = math.max(1, math.ceil(after[index] - now)) -- an interval may be too short to count
    call('SET', shared .. 'b1:' .. cost[1], string.format('%.3f', after[index]), 'PX', int(life))
  end
  return 0, 0
end

-- Reads costs from ARGV[from] on, where their number stands. Returns them and what comes after them.
local function read_costs(from)
  local costs = {}
  for place = 1, tonumber(ARGV[from]) do
    local at = from + 3 * place - 2
    costs[place] = { ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]) }
  end
  return costs, from + 3 * #costs + 1
end
