-- Counts the chats in flight whose lease stands, and lets go of those that ended long ago.
-- KEYS  1 set of chats in flight
-- ARGV  1 ms past its lease after which one is forgotten

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[1]))
return redis.call('ZCOUNT', KEYS[1], string.format('(%.0f', now), '+inf')
