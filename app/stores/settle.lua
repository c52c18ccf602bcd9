-- Trip 2 of a chat. Told twice, it counts once.
-- KEYS  1 set of chats in flight   2 this chat's record   3 the conversation (absent where none is kept)
-- ARGV  1 prompt id   2 conversation's row id   3 model   4 version that came at admission   5 '1': throw the
--       window away   6 its life in s   7, 8 messages and tokens it may hold   9 entry, '' where nothing was stored
--       10 '1': what follows is the window as SQL had it   11 see `low`   12... its prompt ids and entries in turn

local prompt = ARGV[1]

-- In flight ------------------------------------------------------------------------------------------------
redis.call('ZREM', KEYS[1], prompt)
redis.call('DEL', KEYS[2])

-- The conversation -----------------------------------------------------------------------------------------
local key = KEYS[3]
if not key then
  return 0
end
local known = redis.pcall('HMGET', key, 'ver', 'built', 'o:' .. prompt, 'n', 'tok', 'low')
if known.err then
  redis.call('DEL', key)
  return 0
end
local version, built, admitted = known[1], known[2] == '1', known[3]
local n, tok, low = tonumber(known[4] or 0), tonumber(known[5] or 0), known[6] or ''
local entry, stored = ARGV[9], ARGV[9] ~= ''
if not version then
  return 0
end
redis.call('HDEL', key, 'o:' .. prompt, 'x:' .. prompt)

local function add(id, text)
  local messages, tokens = string.match(text, '^(%d+) (%d+) ')
  if id > low and redis.call('HSETNX', key, 'w:' .. id, text) == 1 then
    n, tok = n + messages, tok + tokens
  end
end

-- The oldest exchanges go, whole, until both bounds hold.
local function trim()
  local flat, ids, texts, gone = redis.call('HGETALL', key), {}, {}, {}
  for i = 1, #flat, 2 do
    if string.sub(flat[i], 1, 2) == 'w:' then
      local id = string.sub(flat[i], 3)
      ids[#ids + 1] = id
      texts[id] = flat[i + 1]
    end
  end
  table.sort(ids)
  while (n > tonumber(ARGV[7]) or tok > tonumber(ARGV[8])) and #gone < #ids do
    low = ids[#gone + 1]
    local messages, tokens = string.match(texts[low], '^(%d+) (%d+) ')
    n, tok = n - messages, tok - tokens
    gone[#gone + 1] = 'w:' .. low
  end
  redis.call('HDEL', key, unpack(gone))
end

if ARGV[5] == '1' then
  throw_away(key, true)
elseif not admitted then
  -- Told before, or else SQL has an exchange that whoever built the window since may have missed.
  if stored and redis.call('HEXISTS', key, 'w:' .. prompt) == 0 then
    throw_away(key, false)
  end
elseif stored then
  if not built and ARGV[10] == '1' and ARGV[4] == version then
    built, low = true, ARGV[11]
    for i = 12, #ARGV, 2 do
      add(ARGV[i], ARGV[i + 1])
    end
  end
  if built then
    add(prompt, entry)
    if n > tonumber(ARGV[7]) or tok > tonumber(ARGV[8]) then
      trim()
    end
    redis.call('HSET', key, 'built', '1', 'n', n, 'tok', tok, 'low', low, 'id', ARGV[2], 'model', ARGV[3])
  else
    redis.call('HSET', key, 'id', ARGV[2], 'model', ARGV[3])
  end
  redis.call('HINCRBY', key, 'ver', 1)
elseif not built and not anyone_in_flight(key) then
  -- Nothing is known of it: an unknown id that was asked for leaves nothing behind.
  redis.call('DEL', key)
  return 0
end
redis.call('EXPIRE', key, ARGV[6])
return 1
