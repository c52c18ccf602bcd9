-- A chat in flight wants more money, or another model with limits of its own: it gets all of it or nothing is written.
-- KEYS  1... gates
-- ARGV  1 prompt id   2 nano-USD that it holds   3 nano-USD more that it would like   4 the least that is of use
--       5 tokens to count against another model   6 a kind and a limit for each gate
-- Reply {0, place of the closed gate from 1, ms to wait}, {2, place of a budget to be built, how}, or
--       {1, nano-USD granted, nano-USD left}.

local prompt, held, need, tokens = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local gates = read_gates(1, 6)
for _, gate in ipairs(gates) do
  if gate.kind == 'b' then
    read_budget(gate)
    -- What it holds by its own word and what stands here may differ: the hash was lost and built anew, Redis was away
    -- and a worker granted by itself, or an answer of ours was lost on its way.
    local known = redis.call('HGET', gate.key, 'l:' .. prompt) or 0
    gate.left, gate.leased = gate.left - (held - known), gate.leased + (held - known)
  end
end
local closed, wait = first_closed(gates, tokens, now)
if closed then
  return {0, closed, wait}
end
local unbuilt = first_unbuilt(gates)
if unbuilt then
  return {2, unbuilt, how_to_build(gates[unbuilt], time)}
end
local least, place = scarcest(gates)
local granted = 0
if least then
  if least.left < need then
    return {0, place, 0}
  end
  granted = math.max(0, math.min(tonumber(ARGV[3]), least.left))
end
for _, gate in ipairs(gates) do
  if gate.kind == 'b' then
    take(gate, prompt, granted, held + granted)
  else
    pass(gate, prompt, tokens, now, now)
  end
end
return {1, whole(granted), whole(least and least.left or 0)}
