-- Raises an epoch. It begins at the time in microseconds: a Redis that lost it never says an old number again.
-- KEYS  1 the epoch

if type(redis.pcall('INCR', KEYS[1])) == 'table' or redis.call('STRLEN', KEYS[1]) < 16 then
  local time = redis.call('TIME')
  redis.call('SET', KEYS[1], time[1] .. string.format('%06d', time[2]))
end
return redis.call('GET', KEYS[1])
