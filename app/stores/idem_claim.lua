-- Takes an idempotency key that nobody has, or lets its owner keep it.
-- KEYS  1 the key's record
-- ARGV  1 fingerprint   2 owner   3 lease in ms   4 ms for which one who waits is believed to wait since its last look
-- Gives the state, the owner, and: of `mine` 1 where somebody waits, of `done` the answer, '' where SQL has it.

local key = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.pcall('HMGET', key, 'fp', 'own', 'ans', 'seen')
if known.err then
  redis.call('DEL', key)
  known = {}
end
local fingerprint, owner, answer, seen = known[1], known[2], known[3], known[4]
if not fingerprint or not owner then
  redis.call('DEL', key)
  redis.call('HSET', key, 'fp', ARGV[1], 'own', ARGV[2])
  redis.call('PEXPIRE', key, ARGV[3])
  return {'mine', ARGV[2], 0}
end
if fingerprint ~= ARGV[1] then
  return {'other', owner, ''}
end
if answer then
  return {'done', owner, answer}
end
if owner == ARGV[2] then
  redis.call('PEXPIRE', key, ARGV[3])
  return {'mine', owner, seen and now - seen < tonumber(ARGV[4]) and 1 or 0}
end
redis.call('HSET', key, 'seen', string.format('%.0f', now))
return {'busy', owner, ''}
