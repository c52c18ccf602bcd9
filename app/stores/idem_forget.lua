-- Drops the answers of a conversation.
-- KEYS  1 set of their records

local records = redis.pcall('SMEMBERS', KEYS[1])
if not records.err then
  for _, record in ipairs(records) do
    redis.call('DEL', record)
  end
end
redis.call('DEL', KEYS[1])
return 0
