-- Kept answers go.
-- KEYS  1 all answers by their end   2 bytes of each   3 sum of bytes   4... the answers

of_type(KEYS[1], 'zset')
of_type(KEYS[2], 'hash')
of_type(KEYS[3], 'string')
for i = 4, #KEYS do
  forget(KEYS[1], KEYS[2], KEYS[3], KEYS[i])
end
return #KEYS - 3
