--[[
  The beginning of every dead-letter script: keys, clock, and what reads and replaces a state. Which state follows on
  which is decided by src/dead-letter/store/lifecycle.ts; scripts write what it says, if nothing has changed meanwhile.

  Input of every script:
    KEYS[1] payloads    stream: fields record, body, and sealed where there is one
    KEYS[2] states      hash: id -> state as JSON, see stored-state.ts
    KEYS[3] all         zset: id by time of capture
    KEYS[4] due         zset: id by due time, only what may be claimed
    KEYS[5] leases      zset: id by the end of its lease
    KEYS[6] totals      hash: bytes, fence, captured, replayed, evicted, discarded, n:<status>; doubtful where they
                        are to be made anew, see mend.lua
    KEYS[7] tombstones  zset: id of what is gone for good, by the time when it went
    KEYS[8] orders      zset with scores 0: <hash of the ordering key>:<id>
    KEYS[9] evictable   zset: of `all` what retention may remove
]]
local PAYLOADS, STATES, ALL, DUE, LEASES, TOTALS, TOMBSTONES, ORDERS, EVICTABLE = unpack(KEYS)
local STATUSES = { pending = true, leased = true, sending = true, ['in-doubt'] = true, quarantined = true }

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local function whole(number) return string.format('%.0f', number) end

local function natural(value) return type(value) == 'number' and value >= 0 and value < 9e15 and value % 1 == 0 end

-- More than any entry has: what says so is damaged, and would have all others evicted.
local MAX_ENTRY_BYTES = 4294967296

-- A state, nil for none, false for what no script can use: whoever can write here can write anything.
local function parse(json)
  if not json then return nil end
  local ok, state = pcall(cjson.decode, json)
  if ok and type(state) == 'table' and STATUSES[state.status] and type(state.payload) == 'string'
    and natural(state.bytes) and state.bytes <= MAX_ENTRY_BYTES and natural(state.dueAt) and natural(state.leaseUntil or 0)
    and type(state.order or '') == 'string' then return state end
  return false
end

-- Where the payload of a state lies that cannot be read otherwise.
local function payload_of(json) return string.match(json, '"payload":"(%d+%-%d+)"') end

-- What followed from a state that cannot be read is not known: all of it is to be made anew, by the next that looks.
local function doubt() redis.call('HSET', TOTALS, 'doubtful', 1) end

local function load(id) return parse(redis.call('HGET', STATES, id)) end

-- Fields of the payload; nothing for a stream id that is none, too.
local function payload(state)
  local found = redis.pcall('XRANGE', PAYLOADS, state.payload, state.payload)
  return not found.err and found[1] and found[1][2]
end

-- The oldest entry of an ordering key.
local function head(order)
  local first = redis.call('ZRANGEBYLEX', ORDERS, '[' .. order .. ':', '(' .. order .. ';', 'LIMIT', 0, 1)[1]
  return first and string.sub(first, #order + 2)
end

-- Only the first of an ordering key is ever due, so that those behind it cannot crowd out the others.
local function schedule(id, state)
  if state.status == 'pending' and state.replayable and (not state.order or head(state.order) == id) then
    redis.call('ZADD', DUE, whole(state.dueAt), id)
  else
    redis.call('ZREM', DUE, id)
  end
end

local function is_held(status) return status == 'leased' or status == 'sending' end

-- Writes a state in the place of one with another status, false for one that cannot be read, with all that follows.
-- The state itself comes last: a script that a damaged key ends in its middle is run again, and must find it as it was.
local function replace(id, was, state, json)
  if was then
    redis.call('HINCRBY', TOTALS, 'n:' .. was, -1)
    redis.call('HINCRBY', TOTALS, 'n:' .. state.status, 1)
  else
    doubt()
  end
  if is_held(state.status) then
    redis.call('ZADD', LEASES, whole(state.leaseUntil), id)
  else
    redis.call('ZREM', LEASES, id)
  end
  schedule(id, state)
  redis.call('HSET', STATES, id, json)
end

-- The longest lease that can be asked for: one that ends later was given under a clock that was ahead.
local MAX_LEASE_MS = 2147483647

local function held(id)
  local ends = redis.call('ZSCORE', LEASES, id)
  return ends and tonumber(ends) > now and tonumber(ends) <= now + MAX_LEASE_MS
end
