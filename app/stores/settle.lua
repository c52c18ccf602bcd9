-- Trip 2 of a chat. Told twice, it counts once.
-- KEYS  1 set of chats in flight   2 this chat's record   3 the conversation, '' where none is kept   4... gates that
--       hold something: of tokens, of requests at once and of money; of one that was never accepted, or let in without
--       this server, all
-- ARGV  1 prompt id   2 a letter for each gate, its kind, n for requests of
--       a minute that are to be counted now   3 tokens counted at admission   4 tokens it came to
--       5 nano-USD it came to   6 of a chat that was let in without this server: ms since before its row was written
--       and for the conversation 7 its row id   8 model   9 version that came at admission   10 '1': throw the window
--       away   11 its life in s   12, 13 messages and tokens it may hold   14 entry, '' where nothing was stored
--       15 '1': what follows is the window as SQL had it   16 see `low`   17... its prompt ids and entries in turn

local prompt = ARGV[1]

-- In flight ------------------------------------------------------------------------------------------------
redis.call('ZREM', KEYS[1], prompt)
redis.call('DEL', KEYS[2])

-- The gates ------------------------------------------------------------------------------------------------
-- What was too much goes back, what came on top counts from now.
local function true_up(key, held, used)
  local entry = prompt .. ' ' .. held
  local at = redis.pcall('ZSCORE', key, entry)
  if not at or type(at) == 'table' or held == used then
    return
  end
  local sum, stands = sum_of(key)
  if tonumber(used) < tonumber(held) then
    redis.call('ZREM', key, entry)
    redis.call('ZADD', key, at, prompt .. ' ' .. used)
  else
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    redis.call('ZADD', key, whole(now), prompt .. '+ ' .. whole(used - held))
    redis.call('PEXPIRE', key, MINUTE)
  end
  put_sum(key, stands, sum + used - held)
end

for i = 4, #KEYS do
  local kind = string.sub(ARGV[2], i - 3, i - 3)
  if kind == 't' then
    true_up(KEYS[i], ARGV[3], ARGV[4])
  elseif kind == 'n' then
    local time = redis.call('TIME')
    redis.pcall('ZADD', KEYS[i], 'NX', whole(time[1] * 1000 + math.floor(time[2] / 1000)), prompt)
    redis.call('PEXPIRE', KEYS[i], MINUTE)
  elseif kind == 'b' then
    settle_budget(KEYS[i], prompt, ARGV[5], ARGV[6])
  else
    redis.pcall('ZREM', KEYS[i], prompt)
  end
end

-- The conversation -----------------------------------------------------------------------------------------
local key = KEYS[3]
if key == '' then
  return 0
end
local known = redis.pcall('HMGET', key, 'ver', 'built', 'o:' .. prompt, 'n', 'tok', 'low')
if known.err then
  redis.call('DEL', key)
  return 0
end
local version, built, admitted = known[1], known[2] == '1', known[3]
local n, tok, low = tonumber(known[4] or 0), tonumber(known[5] or 0), known[6] or ''
local entry, stored = ARGV[14], ARGV[14] ~= ''
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
  while (n > tonumber(ARGV[12]) or tok > tonumber(ARGV[13])) and #gone < #ids do
    low = ids[#gone + 1]
    local messages, tokens = string.match(texts[low], '^(%d+) (%d+) ')
    n, tok = n - messages, tok - tokens
    gone[#gone + 1] = 'w:' .. low
  end
  redis.call('HDEL', key, unpack(gone))
end

if ARGV[10] == '1' then
  throw_away(key, true)
elseif not admitted then
  -- Told before, or else SQL has an exchange that whoever built the window since may have missed.
  if stored and redis.call('HEXISTS', key, 'w:' .. prompt) == 0 then
    throw_away(key, false)
  end
elseif stored then
  if not built and ARGV[15] == '1' and ARGV[9] == version then
    built, low = true, ARGV[16]
    for i = 17, #ARGV, 2 do
      add(ARGV[i], ARGV[i + 1])
    end
  end
  if built then
    add(prompt, entry)
    if n > tonumber(ARGV[12]) or tok > tonumber(ARGV[13]) then
      trim()
    end
    redis.call('HSET', key, 'built', '1', 'n', n, 'tok', tok, 'low', low, 'id', ARGV[7], 'model', ARGV[8])
  else
    redis.call('HSET', key, 'id', ARGV[7], 'model', ARGV[8])
  end
  redis.call('HINCRBY', key, 'ver', 1)
elseif not built and not anyone_in_flight(key) then
  -- Nothing is known of it: an unknown id that was asked for leaves nothing behind.
  redis.call('DEL', key)
  return 0
end
redis.call('EXPIRE', key, ARGV[11])
return 1
