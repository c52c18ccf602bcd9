-- Ends the claim of an idempotency key: with its answer, or as if it had never been.
-- KEYS  1 the key's record   2 set of the records of its conversation, '' where there is none
-- ARGV  1 owner   2 fingerprint   3 ms for which the answer is kept, 0: there is none   4 the answer, '' where SQL has it

local key = KEYS[1]
local owner = redis.pcall('HGET', key, 'own')
if type(owner) == 'table' then
  redis.call('DEL', key)
  owner = false
end
if owner and owner ~= ARGV[1] then
  return 0
end
if ARGV[3] == '0' then
  redis.call('DEL', key)
  return 1
end
redis.call('HSET', key, 'fp', ARGV[2], 'own', ARGV[1], 'ans', ARGV[4])
redis.call('PEXPIRE', key, ARGV[3])
if KEYS[2] ~= '' then
  if type(redis.pcall('SADD', KEYS[2], key)) == 'table' then
    redis.call('DEL', KEYS[2])
    redis.call('SADD', KEYS[2], key)
  end
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
return 1
