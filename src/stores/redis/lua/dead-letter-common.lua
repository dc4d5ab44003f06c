-- The beginning of every dead-letter script. One hash tag, all keys declared.
-- KEYS: 1 payloads (stream), 2 states (hash id -> JSON), 3 all (zset by time of capture), 4 due (zset by due time: only
--       what may be claimed), 5 leases (zset by expiry), 6 totals (hash), 7 tombstones (zset by time),
--       8 orders (zset, score 0: hash of the ordering key .. ':' .. id)
-- State: i stream id, b bytes, t time, n name, o origin, r reason, c code, l labels, k hash of the ordering key,
--   y 1 if sendable, p 1 if repeatable, s status, d due, f fence, u lease's end, v status before the lease, x replays
--   used up, h replays, w note, z 1 if unreadable
local S, ST, ALL, DUE, LEASE, M, TOMB, ORD = unpack(KEYS)
local KEPT_REPLAYS = 20
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local function natural(value) return type(value) == 'number' and value >= 0 and value < 9e15 and value % 1 == 0 end

local STATUSES = { pending = 1, leased = 1, sending = 1, in_doubt = 1, quarantined = 1 }

-- The state; false when there is something that is none: whoever can write here can write anything.
local function read(raw)
  if not raw then return nil end
  local ok, st = pcall(cjson.decode, raw)
  if ok and type(st) == 'table' and STATUSES[st.s] and STATUSES[st.v or st.s] and type(st.i) == 'string'
    and natural(st.b) and natural(st.d) and natural(st.x or 0) and natural(st.u or 0) and type(st.k or '') == 'string'
    and type(st.h or {}) == 'table' then return st end
  return false
end

-- Fields of the payload; nothing for a stream id that is none, too.
local function payload(st)
  local found = redis.pcall('XRANGE', S, st.i, st.i)
  return not found.err and found[1] and found[1][2]
end
local function load(id) return read(redis.call('HGET', ST, id)) end

local function head(key)
  local first = redis.call('ZRANGEBYLEX', ORD, '[' .. key .. ':', '(' .. key .. ';', 'LIMIT', 0, 1)[1]
  return first and string.sub(first, #key + 2)
end

-- Only the first of an ordering key is ever due, so that those behind it cannot crowd out the others.
local function schedule(id, st)
  if st.s == 'pending' and st.y == 1 and (not st.k or head(st.k) == id) then
    redis.call('ZADD', DUE, string.format('%.0f', st.d), id)
  else
    redis.call('ZREM', DUE, id)
  end
end

local function save(id, st, was)
  redis.call('HSET', ST, id, cjson.encode(st))
  redis.call('HINCRBY', M, 'n:' .. was, -1)
  redis.call('HINCRBY', M, 'n:' .. st.s, 1)
  if st.s ~= 'leased' and st.s ~= 'sending' then redis.call('ZREM', LEASE, id) end
  schedule(id, st)
end

local function remember(st, replay)
  st.h = st.h or {}
  table.insert(st.h, replay)
  while #st.h > KEPT_REPLAYS do table.remove(st.h, 1) end
end

local function held(id)
  local ends = redis.call('ZSCORE', LEASE, id)
  return ends and tonumber(ends) > now
end
