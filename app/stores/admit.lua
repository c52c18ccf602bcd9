-- Trip 1 of a chat: every gate lets it in, or nothing is written.
-- KEYS  1 set of chats in flight   2 this chat's record   3 epoch of callers   4 epoch of the catalogue
--       5 epoch of keys' and models' health   6 the conversation, '' where none is kept   7... gates
-- ARGV  1 prompt id   2 lease in ms   3 record   4 row id proposed for a new conversation, or ''   5 its life in s
--       6 tokens of the prompt without the window   7 tokens of the answer expected   8 '1': the caller asked for so
--       many   9, 10 price of input and of output in nano-USD a million tokens   11... a kind and a limit for each gate
-- Reply three epochs, then the verdict: {0, place of the closed gate from 1, ms to wait}, {-1, place} where the prompt
--       is larger than the whole limit, {2, place of a budget to be built, how}, or {1, tokens counted, standing by
--       requests, standing by tokens} and where money is held: nano-USD of it, and what is left and leased of the
--       budget with the least left. Where a conversation is given and it was let in: row id, version, model, 1 where
--       the window is to be trusted, then its prompt ids and entries in turn.

local prompt = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease_end = now + ARGV[2]
local reply = redis.call('MGET', KEYS[3], KEYS[4], KEYS[5])

-- The conversation, as it is -------------------------------------------------------------------------------
local key = KEYS[6]
local known, window, lapsed, others = {}, {}, {}, false
if key ~= '' then
  local flat = read_all(key)
  for i = 1, #flat, 2 do
    local field, value = flat[i], flat[i + 1]
    local kind, rest = string.sub(field, 1, 2), string.sub(field, 3)
    if kind == 'w:' then
      window[#window + 1] = rest
      window[#window + 1] = value
    elseif kind ~= 'o:' and kind ~= 'x:' then
      known[field] = value
    elseif tonumber(value) <= now then
      lapsed[#lapsed + 1] = field
    elseif rest ~= prompt then
      others = true
    end
  end
end
-- One in flight may have stored what it has not yet told here; one that never settled may have left it in SQL.
local trusted = known.ver and known.built == '1' and not others and #lapsed == 0

-- The gates ------------------------------------------------------------------------------------------------
local in_prompt = tonumber(ARGV[6]) + (trusted and tonumber(known.tok) or 0)
local tokens = in_prompt + ARGV[7]
local asked = ARGV[8] == '1' and tokens or in_prompt
local gates = read_gates(7, 11)
for i, gate in ipairs(gates) do
  if gate.kind == 'b' then
    read_budget(gate)
  elseif gate.kind == 't' then
    if asked > gate.limit then
      reply[4] = {-1, i}
      return reply
    end
    tokens = math.min(tokens, gate.limit)
  end
end
local closed, wait = first_closed(gates, tokens, now)
if closed then
  reply[4] = {0, closed, wait}
  return reply
end

-- The money: the prompt's and the expected answer's, near the cap what is left, and a token's at least.
local unbuilt = first_unbuilt(gates)
if unbuilt then
  reply[4] = {2, unbuilt, how_to_build(gates[unbuilt], time)}
  return reply
end
local scarce, place = scarcest(gates)
local granted = 0
if scarce then
  local in_price, out_price = tonumber(ARGV[9]), tonumber(ARGV[10])
  if scarce.left < math.ceil((in_prompt * in_price + out_price) / 1000000) then
    reply[4] = {0, place, 0}
    return reply
  end
  granted = math.min(math.ceil((in_prompt * in_price + ARGV[7] * out_price) / 1000000), scarce.left)
  granted = math.max(granted, 0)
end
for _, gate in ipairs(gates) do
  if gate.kind == 'b' then
    take(gate, prompt, granted, granted)
  else
    pass(gate, prompt, tokens, now, lease_end)
  end
end
reply[4] = {1, tokens, standing(gates, 'r', 1, now), standing(gates, 't', tokens, now)}
if scarce then
  reply[4][5], reply[4][6], reply[4][7] = whole(granted), whole(scarce.left), whole(scarce.leased)
end

-- In flight ------------------------------------------------------------------------------------------------
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[2])
if type(redis.pcall('ZADD', KEYS[1], whole(lease_end), prompt)) == 'table' then
  redis.call('DEL', KEYS[1])
  redis.call('ZADD', KEYS[1], whole(lease_end), prompt)
end
if key == '' then
  return reply
end

-- The conversation, from here on with this chat in it --------------------------------------------------------
if #lapsed > 0 then
  redis.call('HDEL', key, unpack(lapsed))
  throw_away(key, false)
  known.built, known.ver = nil, redis.call('HGET', key, 'ver')
end
known.ver = known.ver or first_version(time)
known.id = known.id or ARGV[4]
redis.call('HSET', key, 'o:' .. prompt, whole(lease_end), 'ver', known.ver, 'id', known.id)
redis.call('EXPIRE', key, ARGV[5])

reply[5], reply[6], reply[7], reply[8] = known.id, known.ver, known.model or '', trusted and 1 or 0
if trusted then
  for i = 1, #window do
    reply[8 + i] = window[i]
  end
end
return reply
