-- Token buckets, as transport/rate_limit.py describes them. Keys, which expire when their bucket is full again:
--   b:<bucket>    string  the time at which it will be full, in ms of this server's clock
-- Takes one token of each of `costs`, {bucket, interval in ms, burst}, or none at all. Returns the place of the one
-- that is to be waited for longest and how long, in ms; 0, 0 when all are paid.
local function spend(charges)
  local after, longest, which = {}, 0.001, 0 -- sums of intervals are not exact
  for index, charge in ipairs(charges) do
    after[index] = math.max(tonumber(call('GET', prefix .. 'b:' .. charge[1]) or 0), now) + charge[2]
    local wait = after[index] - now - charge[2] * charge[3]
    if wait > longest then longest, which = wait, index end
  end
  if which > 0 then return which, math.ceil(longest) end
  for index, charge in ipairs(charges) do
    call('SET', prefix .. 'b:' .. charge[1], string.format('%.3f', after[index]), 'PX', int(math.ceil(after[index] - now)))
  end
  return 0, 0
end

-- Reads charges from ARGV[from] on, where their number stands. Returns them and what comes after them.
local function read_charges(from)
  local charges = {}
  for place = 1, tonumber(ARGV[from]) do
    local at = from + 3 * place - 2
    charges[place] = { ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]) }
  end
  return charges, from + 3 * #charges + 1
end
