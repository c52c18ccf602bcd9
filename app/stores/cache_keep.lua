-- Keeps an answer; the oldest go where there are too many bytes.
-- KEYS  1 the answer   2 who was asking for it   3 all answers by their end   4 bytes of each   5 sum of bytes
-- ARGV  1 asker, '' where nobody was   2 the answer   3 its life in ms   4 most bytes   5 '1': only where none is there

local key, index, sizes, sum = KEYS[1], KEYS[3], KEYS[4], KEYS[5]
if ARGV[1] ~= '' and redis.pcall('GET', KEYS[2]) == ARGV[1] then
  redis.call('DEL', KEYS[2])
end
of_type(index, 'zset')
of_type(sizes, 'hash')
of_type(sum, 'string')
if ARGV[5] == '1' and redis.call('EXISTS', key) == 1 then
  return 0
end
local now = now_ms()
for _, old in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', now, 'LIMIT', 0, 1000)) do
  forget(index, sizes, sum, old)
end
forget(index, sizes, sum, key)
local size = #key + #ARGV[2] + OVERHEAD
local most = tonumber(ARGV[4])
if size > most then
  return 0
end
redis.call('SET', key, ARGV[2], 'PX', ARGV[3])
redis.call('ZADD', index, string.format('%.0f', now + ARGV[3]), key)
redis.call('HSET', sizes, key, size)
local total = tonumber(redis.call('INCRBY', sum, size))
while total > most do
  local first = redis.call('ZRANGE', index, 0, 0)[1]
  if not first then
    redis.call('SET', sum, 0)
    break
  end
  forget(index, sizes, sum, first)
  total = tonumber(redis.call('GET', sum))
end
return redis.call('EXISTS', key)
