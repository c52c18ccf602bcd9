-- Finds a kept answer, or takes it upon its asker to ask for one.
-- KEYS  1 the answer   2 who is asking for it now   3 mark: all that SQL has is here too
-- ARGV  1 asker   2 lease in ms
-- Gives `hit` and the answer, or `busy` or `mine`, each with 1 where the mark is missing.

local answer = redis.pcall('GET', KEYS[1])
if type(answer) == 'table' then
  redis.call('DEL', KEYS[1])
  answer = false
end
if answer then
  return {'hit', answer}
end
local cold = 1 - redis.call('EXISTS', KEYS[3])
local owner = redis.pcall('GET', KEYS[2])
if type(owner) == 'string' and owner ~= ARGV[1] then
  return {'busy', cold}
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {'mine', cold}
