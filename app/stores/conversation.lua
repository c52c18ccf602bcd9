-- What the scripts of a conversation share. All of it is one hash, so that it expires and is evicted whole:
--   ver         raised whenever what SQL holds of the conversation went past the window
--   id, model   its row in SQL; the model that answered last and its key, a line each
--   built       '1' where the window below is what SQL holds
--   n, tok      messages and tokens of the window
--   low         exchanges up to this prompt id were trimmed away: none of them comes back
--   o:{prompt}  lease end in ms of a chat in flight
--   x:{prompt}  the same, where the window was thrown away since it was admitted
--   w:{prompt}  an exchange: messages, tokens and the entry itself, parted by one space

-- A key that holds something else than a hash is nobody's: it goes.
local function read_all(key)
  local flat = redis.pcall('HGETALL', key)
  if flat.err then
    redis.call('DEL', key)
    return {}
  end
  return flat
end

-- Versions begin at the time in microseconds: one that was lost never comes back with the same number.
local function first_version(time)
  return time[1] .. string.format('%06d', time[2])
end

-- Forgets the exchanges. With `taint` nothing is said of those in flight either: what they leave is read from SQL.
local function throw_away(key, taint)
  local flat = redis.call('HGETALL', key)
  local gone, tainted = {'built', 'n', 'tok', 'low'}, {}
  for i = 1, #flat, 2 do
    local kind = string.sub(flat[i], 1, 2)
    if kind == 'w:' or (kind == 'o:' and taint) then
      gone[#gone + 1] = flat[i]
    end
    if kind == 'o:' and taint then
      tainted[#tainted + 1] = 'x:' .. string.sub(flat[i], 3)
      tainted[#tainted + 1] = flat[i + 1]
    end
  end
  redis.call('HDEL', key, unpack(gone))
  if #tainted > 0 then
    redis.call('HSET', key, unpack(tainted))
  end
  redis.call('HINCRBY', key, 'ver', 1)
end

local function anyone_in_flight(key)
  for _, field in ipairs(redis.call('HKEYS', key)) do
    local kind = string.sub(field, 1, 2)
    if kind == 'o:' or kind == 'x:' then
      return true
    end
  end
  return false
end
