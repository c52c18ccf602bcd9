-- What the scripts share that let chats in. A gate is one limit of one key, user or model, by its kind:
--   r  requests of any minute: a sorted set of prompt ids by ms
--   t  tokens of any minute: a sorted set of '{prompt id} {tokens}' by ms, and behind them the sum as '={tokens}'
--   c  requests at once: a sorted set of prompt ids by the end of their lease in ms
--   b  money of a period: see budget.lua; its limit is the cap

local MINUTE = 60000

local function whole(number)
  return string.format('%.0f', number)
end

-- The gates from KEYS[first] on; ARGV has a kind and a limit for each from `at` on.
local function read_gates(first, at)
  local gates = {}
  for i = first, #KEYS do
    gates[#gates + 1] = {key = KEYS[i], kind = ARGV[at], limit = tonumber(ARGV[at + 1])}
    at = at + 2
  end
  return gates
end

-- Lets go of what no longer counts. A key that holds something else than a sorted set is nobody's: it goes.
local function let_go(key, until_ms)
  if type(redis.pcall('ZREMRANGEBYSCORE', key, '-inf', whole(until_ms))) == 'table' then
    redis.call('DEL', key)
  end
end

-- Puts another sum of tokens in the place of the one that stands there.
local function put_sum(key, old, sum)
  if old then
    redis.call('ZREM', key, old)
  end
  redis.call('ZADD', key, '+inf', '=' .. whole(sum))
end

local function sum_of(key)
  local last = redis.call('ZRANGE', key, -1, -1)[1]
  local sum = last and string.match(last, '^=(%d+)$')
  return tonumber(sum or 0), sum and last
end

local function tokens_of(entry)
  return tonumber(string.match(entry, ' (%d+)$') or 0)
end

-- Tokens that count now, after those that no longer do were let go.
local function sum_tokens(key, now)
  local gone = redis.pcall('ZRANGEBYSCORE', key, '-inf', whole(now - MINUTE))
  if gone.err then
    redis.call('DEL', key)
    return 0
  end
  local sum, stands = sum_of(key)
  if #gone > 0 then
    for _, entry in ipairs(gone) do
      sum = sum - tokens_of(entry)
    end
    let_go(key, now - MINUTE)
    put_sum(key, stands, sum)
  end
  return sum
end

local function measure(gate, now)
  if gate.kind == 't' then
    gate.used = sum_tokens(gate.key, now)
  else
    let_go(gate.key, gate.kind == 'r' and now - MINUTE or now)
    gate.used = redis.call('ZCARD', gate.key)
  end
end

-- Milliseconds until the n-th oldest (from 0) no longer counts.
local function leaves_in(gate, n, now)
  local score = tonumber(redis.call('ZRANGE', gate.key, n, n, 'WITHSCORES')[2])
  return score and score < math.huge and score + MINUTE - now or MINUTE
end

-- Milliseconds until so many tokens have left the last minute.
local function tokens_leave_in(gate, tokens, now)
  local entries = redis.call('ZRANGE', gate.key, 0, -2)
  for i, entry in ipairs(entries) do
    tokens = tokens - tokens_of(entry)
    if tokens <= 0 then
      return leaves_in(gate, i - 1, now)
    end
  end
  return MINUTE
end

-- Milliseconds after which it may be let in by this gate, nil where it is now.
local function closed_for(gate, tokens, now)
  if gate.kind == 't' then
    local beyond = gate.used + tokens - gate.limit
    return beyond > 0 and tokens_leave_in(gate, beyond, now) or nil
  elseif gate.used < gate.limit then
    return nil
  end
  return gate.kind == 'c' and 1000 or leaves_in(gate, gate.used - gate.limit, now)
end

local function pass(gate, prompt, tokens, now, lease_end)
  local key = gate.key
  if gate.kind == 'r' then
    redis.call('ZADD', key, whole(now), prompt)
    redis.call('PEXPIRE', key, MINUTE)
  elseif gate.kind == 'c' then
    redis.call('ZADD', key, whole(lease_end), prompt)
    redis.call('PEXPIREAT', key, whole(lease_end))
  else
    local sum, stands = sum_of(key)
    redis.call('ZADD', key, whole(now), prompt .. ' ' .. whole(tokens))
    put_sum(key, stands, sum + tokens)
    redis.call('PEXPIRE', key, MINUTE)
  end
end

-- The first gate, of those that are no budgets, that is closed, and the longest time in ms until all would open; nil where all are open.
local function first_closed(gates, tokens, now)
  local first, longest
  for i, gate in ipairs(gates) do
    if gate.kind ~= 'b' then
      measure(gate, now)
      local wait = closed_for(gate, tokens, now)
      if wait then
        first, longest = first or i, math.max(longest or 0, wait)
      end
    end
  end
  return first, longest
end

-- Limit, what is left, and ms until the oldest leaves, of the gate of this kind with the least left; nothing where
-- there is none.
local function standing(gates, kind, taken, now)
  local least, left
  for _, gate in ipairs(gates) do
    if gate.kind == kind then
      local rest = gate.limit - gate.used - taken
      if not least or rest < left then
        least, left = gate, rest
      end
    end
  end
  if not least then
    return {}
  end
  return {least.limit, math.max(left, 0), leaves_in(least, 0, now)}
end
