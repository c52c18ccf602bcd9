-- What the scripts share that move money. A budget of one period is one hash, so that it is lost whole or not at all.
-- All numbers are whole nano-USD below 2^53, which a cap of 9,000,000 USD and what is left of it never reach:
--   cap        what `left` was counted down from
--   left       what is neither spent nor held by a chat in flight
--   leased     what chats in flight hold, together
--   built      '1' where `left` is what the ledger says: without it nothing here is trusted
--   ver        raised by whatever the ledger knows and this hash may not
--   l:{prompt} what a chat in flight holds
--   s:{prompt} what one came to that settled while the hash was not built, or that was let in without this server
--   at         ms of this server's clock when it was built

local MANY = 5000
local BUDGET_LIFE = 259200 -- seconds; longer than any chat: what comes after builds it anew

-- Reads a gate of kind b. A cap that was changed meanwhile moves what is left along.
local function read_budget(gate)
  local kept = redis.pcall('HMGET', gate.key, 'left', 'built', 'cap', 'ver', 'leased')
  if kept.err then
    redis.call('DEL', gate.key)
    kept = {}
  end
  gate.built, gate.ver = kept[2] == '1', kept[4]
  gate.left = tonumber(kept[1] or 0) + (gate.limit - (kept[3] or 0)) -- in this order: the sum of both ends past 2^53
  gate.leased = tonumber(kept[5] or 0)
end

-- What whoever is to build it must know: its version, and the chats that the ledger is not asked for.
local function how_to_build(gate, time)
  if not gate.ver then
    gate.ver = first_version(time)
    redis.call('HSET', gate.key, 'ver', gate.ver)
    redis.call('EXPIRE', gate.key, BUDGET_LIFE)
  end
  local told = {gate.ver}
  for _, field in ipairs(redis.call('HKEYS', gate.key)) do
    local kind = string.sub(field, 1, 2)
    if kind == 'l:' or kind == 's:' then
      told[#told + 1] = string.sub(field, 3)
    end
  end
  return told
end

-- Takes so much more for this chat out of a budget that was read.
local function take(gate, prompt, amount, held)
  gate.left, gate.leased = gate.left - amount, gate.leased + amount
  redis.call('HSET', gate.key, 'cap', whole(gate.limit), 'left', whole(gate.left), 'leased', whole(gate.leased),
    'l:' .. prompt, whole(held))
  redis.call('EXPIRE', gate.key, BUDGET_LIFE)
end

-- The budget with the least left, and its place; nil where no gate is one.
local function scarcest(gates)
  local least, place
  for i, gate in ipairs(gates) do
    if gate.kind == 'b' and (not least or gate.left < least.left) then
      least, place = gate, i
    end
  end
  return least, place
end

-- The place of a budget that must be built first, nil where all are.
local function first_unbuilt(gates)
  for i, gate in ipairs(gates) do
    if gate.kind == 'b' and not gate.built then
      return i
    end
  end
end

-- A chat came to so much: what it held goes back, what it spent does not. age: of one that was let in without this
-- server, ms since before its row was written.
local function settle_budget(key, prompt, spent, age)
  local kept = redis.pcall('HMGET', key, 'l:' .. prompt, 'built', 'left', 'leased', 'ver', 's:' .. prompt, 'at')
  if kept.err then
    redis.call('DEL', key)
  elseif kept[1] then
    redis.call('HDEL', key, 'l:' .. prompt)
    redis.call('HSET', key, 'leased', whole((kept[4] or 0) - kept[1]))
    if kept[2] == '1' then
      redis.call('HSET', key, 'left', whole(kept[3] + kept[1] - spent))
    else
      redis.call('HSET', key, 's:' .. prompt, spent)
    end
  elseif kept[5] and spent ~= '0' and not kept[6] then
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    if age ~= '' and kept[2] == '1' and now - age > tonumber(kept[7] or now) and redis.call('HLEN', key) < MANY then
      -- Written after the ledger's sum was taken.
      redis.call('HSET', key, 'left', whole(kept[3] - spent), 's:' .. prompt, spent)
    else
      -- Nobody held this here, and whether the ledger's sum had it nobody knows: the ledger is asked again.
      redis.call('HDEL', key, 'built')
      redis.call('HINCRBY', key, 'ver', 1)
    end
  end
end
