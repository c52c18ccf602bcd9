-- A budget as the ledger has it: what is left is the cap less what was spent and what chats in flight hold.
-- KEYS  1 the budget
-- ARGV  1 the version that came when it was found not to be built   2 the cap   3 spent, by the ledger, but for the
--       chats that came along with the version
-- Reply 1 where it is built now, 0 where the ledger must be asked again.

local key = KEYS[1]
local known = redis.call('HMGET', key, 'built', 'ver')
if known[1] == '1' then
  return 1
elseif known[2] ~= ARGV[1] then
  return 0
end
local left, leased, settled = ARGV[2] - ARGV[3], 0, {}
local flat = redis.call('HGETALL', key)
for i = 1, #flat, 2 do
  local kind = string.sub(flat[i], 1, 2)
  if kind == 'l:' then
    leased = leased + flat[i + 1]
  elseif kind == 's:' then
    left = left - flat[i + 1]
    settled[#settled + 1] = flat[i]
  end
end
if #settled > 0 then
  redis.call('HDEL', key, unpack(settled))
end
local time = redis.call('TIME')
redis.call('HSET', key, 'built', '1', 'at', whole(time[1] * 1000 + math.floor(time[2] / 1000)), 'cap', ARGV[2],
  'left', whole(left - leased), 'leased', whole(leased))
return 1
