-- What the scripts of kept answers share: all answers by the ms at which they expire, the bytes of each, their sum.

local OVERHEAD = 200

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A key that holds another type than its own is nobody's.
local function of_type(key, kind)
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then
    redis.call('DEL', key)
  end
end

local function forget(index, sizes, sum, key)
  local size = redis.call('HGET', sizes, key)
  if size then
    redis.call('HDEL', sizes, key)
    redis.call('DECRBY', sum, size)
  end
  redis.call('ZREM', index, key)
  redis.call('DEL', key)
end
