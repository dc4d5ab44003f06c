-- The end of an entry, for the scripts that settle, discard and evict. Its state goes last, see common.lua.
local TOMBSTONE_MS, MAX_TOMBSTONES = 2592000000, 1000000

local function remove(id, state)
  if state == false then
    local entry = payload_of(redis.call('HGET', STATES, id))
    if entry then redis.pcall('XDEL', PAYLOADS, entry) end
    doubt()
  end
  redis.call('ZREM', ALL, id)
  redis.call('ZREM', DUE, id)
  redis.call('ZREM', LEASES, id)
  if state then
    redis.call('HINCRBY', TOTALS, 'bytes', whole(0 - state.bytes))
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

-- Evicts the oldest that nobody holds, looking at `most` at most, while `wanted(time)` says so.
local function evict(most, wanted, tell)
  local skip = 0
  for _ = 1, most do
    local id, at = unpack(redis.call('ZRANGE', ALL, skip, skip, 'WITHSCORES'))
    if not id or not wanted(tonumber(at)) then return end
    if held(id) then
      skip = skip + 1
    else
      local state = load(id)
      remove(id, state)
      redis.call('HINCRBY', TOTALS, 'evicted', 1)
      gone[#gone + 1] = id
      gone[#gone + 1] = state and type(state.integration) == 'string' and state.integration or ''
      if tell then tell(state or { bytes = 0 }) end
    end
  end
end

local function evict_aged(age_ms)
  if age_ms == '' then return end
  local before = now - tonumber(age_ms)
  evict(100, function(at) return at < before end)
end
