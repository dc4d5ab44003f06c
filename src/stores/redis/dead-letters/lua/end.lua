-- The end of an entry, for the scripts that settle, discard and evict. Its state goes last, see common.lua.
local TOMBSTONE_MS, MAX_TOMBSTONES = 2592000000, 1000000

local function remove(id, state)
  if state == false then
    local entry = payload_of(redis.call('HGET', STATES, id))
    if entry then redis.pcall('XDEL', PAYLOADS, entry) end
    doubt()
  end
  redis.call('ZREM', ALL, id)
  redis.call('ZREM', EVICTABLE, id)
  redis.call('ZREM', DUE, id)
  redis.call('ZREM', LEASES, id)
  if state then
    -- less than nothing: the size was not its own
    if redis.call('HINCRBY', TOTALS, 'bytes', whole(0 - state.bytes)) < 0 then doubt() end
    redis.call('HINCRBY', TOTALS, 'n:' .. state.status, -1)
    if state.order then
      redis.call('ZREM', ORDERS, state.order .. ':' .. id)
      local follower = head(state.order)
      local after = follower and load(follower)
      if after then schedule(follower, after) end
    end
    redis.pcall('XDEL', PAYLOADS, state.payload)
  end
  redis.call('HDEL', STATES, id)
end

local function bury(id)
  redis.call('ZADD', TOMBSTONES, now, id)
  redis.call('ZREMRANGEBYSCORE', TOMBSTONES, '-inf', now - TOMBSTONE_MS)
  redis.call('ZREMRANGEBYRANK', TOMBSTONES, 0, -MAX_TOMBSTONES - 1)
end

-- Retention. `gone` collects pairs of id and integration.
local gone = {}

local function evict(id, state)
  remove(id, state)
  redis.call('HINCRBY', TOTALS, 'evicted', 1)
  gone[#gone + 1] = id
  gone[#gone + 1] = state and type(state.integration) == 'string' and state.integration or ''
end

-- The oldest that may be evicted and that nobody holds, at most so many, while `wanted(time)` says so; those that are
-- damaged count as well, as false.
local function oldest(most, wanted, take)
  for from = 0, most - 1, 100 do
    local found = redis.call('ZRANGE', EVICTABLE, from, math.min(from + 99, most - 1), 'WITHSCORES')
    for at = 1, #found, 2 do
      if not wanted(tonumber(found[at + 1])) then return end
      if not held(found[at]) then take(found[at], load(found[at])) end
    end
    if #found == 0 then return end
  end
end

local function evict_aged(age_ms)
  if age_ms == '' then return end
  local before, aged = now - tonumber(age_ms), {}
  oldest(100, function(at) return at < before end, function(id, state) aged[#aged + 1] = { id, state } end)
  for _, one in ipairs(aged) do evict(one[1], one[2]) end
end
