--[[
  Makes everything anew that follows from the states: for keys that hold what no script of ours has written there, and
  after entries whose state could not be read. One key of a wrong type, or one total that is no number, would otherwise
  stop every script. What was in the way of a key is moved beside it, to <key>:damaged.
]]
local KINDS = { 'stream', 'hash', 'zset', 'zset', 'zset', 'hash', 'zset', 'zset', 'zset' }
for n, kind in ipairs(KINDS) do
  local found = redis.call('TYPE', KEYS[n]).ok
  if found ~= 'none' and found ~= kind then redis.call('RENAME', KEYS[n], KEYS[n] .. ':damaged') end
end

local function counter(name)
  local value = tonumber(redis.call('HGET', TOTALS, name) or 0)
  return natural(value) and value or 0
end

local totals = { bytes = 0, fence = counter('fence') }
for _, name in ipairs({ 'captured', 'replayed', 'evicted', 'discarded' }) do totals[name] = counter(name) end
for status in pairs(STATUSES) do totals['n:' .. status] = 0 end

local ids = redis.call('HKEYS', STATES)
local function chunks(work)
  for first = 1, #ids, 500 do
    local some = {}
    for at = first, math.min(first + 499, #ids) do some[#some + 1] = ids[at] end
    work(some)
  end
end

-- one that cannot be read keeps its place, or it would be evicted for its age; and is not evicted where it was not to be
local times, could_go = {}, {}
chunks(function(some)
  for at, time in ipairs(redis.call('ZMSCORE', ALL, unpack(some))) do times[some[at]] = time end
  for at, time in ipairs(redis.call('ZMSCORE', EVICTABLE, unpack(some))) do could_go[some[at]] = time end
end)
redis.call('DEL', ALL, DUE, LEASES, ORDERS, TOTALS, EVICTABLE)
local waiting, payloads = {}, {}

local function place(id, time, is_kept)
  redis.call('ZADD', ALL, time, id)
  if not is_kept then redis.call('ZADD', EVICTABLE, time, id) end
end

local function enter(id, json)
  local state = parse(json)
  if not state then
    local bytes = tonumber(string.match(json, '"bytes":(%d+)'))
    place(id, times[id] or now, not could_go[id])
    totals['n:quarantined'] = totals['n:quarantined'] + 1
    totals.bytes = totals.bytes + (natural(bytes) and bytes <= MAX_ENTRY_BYTES and bytes or 0)
    payloads[payload_of(json) or ''] = true
    -- the next claim finds it there, and says what it is
    redis.call('ZADD', DUE, 0, id)
    return
  end
  local time = natural(state.timestamp) and whole(state.timestamp) or times[id] or now
  place(id, time, state.kept or (state.unreadable and not could_go[id]))
  totals['n:' .. state.status] = totals['n:' .. state.status] + 1
  totals.bytes = totals.bytes + state.bytes
  if natural(state.fence) then totals.fence = math.max(totals.fence, state.fence) end
  payloads[state.payload] = true
  if state.order then redis.call('ZADD', ORDERS, 0, state.order .. ':' .. id) end
  if is_held(state.status) then redis.call('ZADD', LEASES, whole(state.leaseUntil or 0), id) end
  if state.status == 'pending' then
    local follows = { status = state.status, replayable = state.replayable, order = state.order, dueAt = state.dueAt }
    waiting[#waiting + 1] = { id, follows }
  end
end

chunks(function(some)
  for at, json in ipairs(redis.call('HMGET', STATES, unpack(some))) do enter(some[at], json) end
end)
for _, one in ipairs(waiting) do schedule(one[1], one[2]) end
for name, value in pairs(totals) do redis.call('HSET', TOTALS, name, whole(value)) end

-- payloads of the last batch whose script ended in its middle
for _, entry in ipairs(redis.call('XREVRANGE', PAYLOADS, '+', '-', 'COUNT', 128)) do
  if not payloads[entry[1]] then redis.call('XDEL', PAYLOADS, entry[1]) end
end
return #ids
