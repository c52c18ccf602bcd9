-- All that workers have learned of keys and models, and this server's time in ms, by which its moments are told.
-- KEYS  1 what is known of all of them

local time = redis.call('TIME')
local reply = redis.call('HGETALL', KEYS[1])
table.insert(reply, 1, string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
return reply
