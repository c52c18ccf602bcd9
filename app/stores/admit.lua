-- Trip 1 of a chat.
-- KEYS  1 set of chats in flight   2 this chat's record   3 epoch of callers   4 epoch of the catalogue
--       5 epoch of keys' and models' health   6 the conversation (absent where none is kept)
-- ARGV  1 prompt id   2 lease in ms   3 record   4 row id proposed for a new conversation, or ''   5 its life in s
-- Reply three epochs, and where a conversation is given: row id, version, model, 1 where the window is to be
--       trusted, then its prompt ids and entries in turn.

local prompt = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease_end = string.format('%.0f', now + ARGV[2])

-- The epochs -----------------------------------------------------------------------------------------------
local reply = redis.call('MGET', KEYS[3], KEYS[4], KEYS[5])

-- In flight ------------------------------------------------------------------------------------------------
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[2])
if type(redis.pcall('ZADD', KEYS[1], lease_end, prompt)) == 'table' then
  redis.call('DEL', KEYS[1])
  redis.call('ZADD', KEYS[1], lease_end, prompt)
end

-- The conversation -----------------------------------------------------------------------------------------
local key = KEYS[6]
if not key then
  return reply
end

local known, window, lapsed, others = {}, {}, {}, false
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

-- A chat that never settled may have left its exchange in SQL: the window says too little.
if #lapsed > 0 then
  redis.call('HDEL', key, unpack(lapsed))
  throw_away(key, false)
  known.built, known.ver = nil, redis.call('HGET', key, 'ver')
end

-- One in flight may have stored what it has not yet told here.
local trusted = known.ver and known.built == '1' and not others
known.ver = known.ver or first_version(time)
known.id = known.id or ARGV[4]
redis.call('HSET', key, 'o:' .. prompt, lease_end, 'ver', known.ver, 'id', known.id)
redis.call('EXPIRE', key, ARGV[5])

reply[4], reply[5], reply[6], reply[7] = known.id, known.ver, known.model or '', trusted and 1 or 0
if trusted then
  for i = 1, #window do
    reply[7 + i] = window[i]
  end
end
return reply
