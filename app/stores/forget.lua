-- A conversation was deleted: its window and its row id go. What is in flight stays known until it settles.
-- KEYS  1 the conversation

local key = KEYS[1]
if #read_all(key) == 0 then
  return 0
end
throw_away(key, true)
redis.call('HDEL', key, 'id', 'model')
if not anyone_in_flight(key) then
  redis.call('DEL', key)
end
return 1
