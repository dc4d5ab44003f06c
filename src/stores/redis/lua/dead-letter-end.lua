-- The end of an entry, for the scripts that evict, settle and discard; after the common beginning.
local TOMB_MS, MAX_TOMBS = 2592000000, 1000000

local function remove(id, st)
  redis.call('HDEL', ST, id)
  redis.call('ZREM', ALL, id)
  redis.call('ZREM', DUE, id)
  redis.call('ZREM', LEASE, id)
  if not st then return end
  redis.pcall('XDEL', S, st.i)
  redis.call('HINCRBY', M, 'bytes', string.format('%.0f', 0 - st.b))
  redis.call('HINCRBY', M, 'n:' .. st.s, -1)
  if not st.k then return end
  redis.call('ZREM', ORD, st.k .. ':' .. id)
  local follower = head(st.k)
  local after = follower and load(follower)
  if after then schedule(follower, after) end
end

local function bury(id)
  redis.call('ZADD', TOMB, now, id)
  redis.call('ZREMRANGEBYSCORE', TOMB, '-inf', now - TOMB_MS)
  redis.call('ZREMRANGEBYRANK', TOMB, 0, -MAX_TOMBS - 1)
end
