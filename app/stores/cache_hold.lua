-- Renews or lets go of what somebody is asking for.
-- KEYS  1... who is asking for each
-- ARGV  1 lease in ms, 0: let go   2... asker of each

for i, key in ipairs(KEYS) do
  if redis.pcall('GET', key) == ARGV[i + 1] then
    if ARGV[1] == '0' then
      redis.call('DEL', key)
    else
      redis.call('PEXPIRE', key, ARGV[1])
    end
  end
end
return 1
