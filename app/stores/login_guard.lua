-- KEYS: sorted sets of misses by ms, the name's first where there is one.
-- ARGV: what ("look", "miss", "pass"), an id for the miss, window ms, first wait ms, then each key's limit.
-- Gives the ms to wait (0: none). A miss during a wait is not counted. "pass" forgets the first key's misses.
local what, id = ARGV[1], ARGV[2]
local window, first = tonumber(ARGV[3]), tonumber(ARGV[4])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local longest = 0
for i, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%d', now - window))
  local beyond = redis.call('ZCARD', key) - tonumber(ARGV[4 + i])
  if beyond >= 0 then
    local last = tonumber(redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2])
    local wait = math.min(first * 2 ^ math.min(beyond, 16), window)
    longest = math.max(longest, last + wait - now)
  end
end
if longest > 0 then
  return math.floor(longest)
end
if what == 'miss' then
  for _, key in ipairs(KEYS) do
    redis.call('ZADD', key, string.format('%d', now), id)
    redis.call('PEXPIRE', key, string.format('%d', window))
  end
elseif what == 'pass' then
  redis.call('DEL', KEYS[1])
end
return 0
