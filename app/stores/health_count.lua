-- Adds to how often each key was used.
-- KEYS  1 the counts
-- ARGV  a key's id and a number, in turn

for i = 1, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1])
end
return 1
