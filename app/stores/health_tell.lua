-- Writes what a worker learned of a key or a model, with its moments by this server's clock.
-- KEYS  1 what is known of all of them
-- ARGV  1 the field   2... moments, in ms from now, '' for never   last: the rest, as it came

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local parts = {}
for i = 2, #ARGV - 1 do
  parts[#parts + 1] = ARGV[i] == '' and '0' or string.format('%.0f', now + ARGV[i])
end
parts[#parts + 1] = ARGV[#ARGV]
redis.call('HSET', KEYS[1], ARGV[1], table.concat(parts, ' '))
redis.call('EXPIRE', KEYS[1], 7200)
return 1
