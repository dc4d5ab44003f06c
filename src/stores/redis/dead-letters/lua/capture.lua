--[[
  Adds records; repeating it is harmless. All or nothing: a full server refuses the script before its first write.

  Input:
    ARGV[1] most records
    ARGV[2] most bytes
    ARGV[3] evict what is older than this, in milliseconds, or ''
    ARGV[4] "common" or "full"
    then for each record
      id
      time of capture
      state without its end
      record as JSON
      body or ''
    and where it is "full", too
      due time
      status
      hash of the ordering key or ''
      sealed data or ''
      'kept' where it is never evicted, or ''
    A common one is pending, due at its time, has no ordering key, is not sealed and may be evicted: fewer arguments are
    half of the way to a fast capture.
  Output:
    [1] how many were there before
    [2] ids that were settled or discarded before
    [3] ids for which there is no room
    [4] pairs of id and integration evicted
    all others are kept
]]
local max_count, max_bytes, full = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[4] == 'full'
local FIRST, FIELDS = 5, full and 10 or 5
local settled, refused, duplicates = {}, {}, 0
local ids = {}
for i = FIRST, #ARGV, FIELDS do ids[#ids + 1] = ARGV[i] end

evict_aged(ARGV[3])
local buried = redis.call('EXISTS', TOMBSTONES) == 1 and redis.call('ZMSCORE', TOMBSTONES, unpack(ids)) or {}
local known = redis.call('HMGET', STATES, unpack(ids))
local count = redis.call('ZCARD', ALL)
local bytes = tonumber(redis.call('HGET', TOTALS, 'bytes') or 0) or 0
local states, all, due, statuses, seen, lost, heads, added, kept, dues = {}, {}, {}, {}, {}, {}, {}, 0, 0, 0
local evictable, goes = {}, 0

-- What this batch has added is not in EVICTABLE yet, so it is not evicted for what comes after it. Evicts no more than has
-- to go, and nothing where that is not enough; where more has to go than one script looks at, the next one goes on.
local MOST = 1000
local function make_room(size)
  if size > max_bytes then return false end
  local left, left_bytes, going = count, bytes, {}
  local function short() return left >= max_count or left_bytes + size > max_bytes end
  oldest(MOST, short, function(id, state)
    going[#going + 1] = { id, state }
    left, left_bytes = left - 1, left_bytes - (state and state.bytes or 0)
  end)
  if short() and #going < MOST then return false end
  for _, one in ipairs(going) do
    evict(one[1], one[2])
    lost[one[1]] = true
  end
  count, bytes = left, left_bytes
  return not short()
end

for n, id in ipairs(ids) do
  local a = FIRST + (n - 1) * FIELDS
  local time, record, body = ARGV[a + 1], ARGV[a + 3], ARGV[a + 4]
  local due_at, status, order, sealed, fate = time, 'pending', '', '', ''
  if full then due_at, status, order, sealed, fate = unpack(ARGV, a + 5, a + 9) end
  local size = #record + #body + #sealed
  if buried[n] then
    settled[#settled + 1] = id
  elseif (known[n] and not lost[id]) or seen[id] then
    duplicates = duplicates + 1
  elseif (count >= max_count or bytes + size > max_bytes) and not make_room(size) then
    refused[#refused + 1] = id
  else
    local entry
    if sealed == '' then
      entry = redis.call('XADD', PAYLOADS, '*', 'record', record, 'body', body)
    else
      entry = redis.call('XADD', PAYLOADS, '*', 'record', record, 'body', body, 'sealed', sealed)
    end
    seen[id] = true
    kept = kept + 2
    local text = ARGV[a + 2]
    -- captured under a clock that is ahead of this one: it waits no longer than its provider asked for
    local latest = now + math.max(0, tonumber(due_at) - tonumber(time))
    if tonumber(due_at) > latest then
      due_at = whole(latest)
      -- the last of two fields of one name is the one that is read
      text = text .. ',"dueAt":' .. due_at
    end
    states[kept - 1], states[kept] = id, text .. ',"bytes":' .. size .. ',"payload":"' .. entry .. '"}'
    all[kept - 1], all[kept] = time, id
    if full and fate == '' then
      goes = goes + 2
      evictable[goes - 1], evictable[goes] = time, id
    end
    if order ~= '' then
      if heads[order] == nil then heads[order] = head(order) or false end
      redis.call('ZADD', ORDERS, 0, order .. ':' .. id)
    elseif status == 'pending' then
      dues = dues + 2
      due[dues - 1], due[dues] = due_at, id
    end
    statuses[status] = (statuses[status] or 0) + 1
    count, bytes, added = count + 1, bytes + size, added + size
  end
end

if kept > 0 then
  redis.call('HSET', STATES, unpack(states))
  redis.call('ZADD', ALL, unpack(all))
  if not full then redis.call('ZADD', EVICTABLE, unpack(all))
  elseif goes > 0 then redis.call('ZADD', EVICTABLE, unpack(evictable)) end
  if dues > 0 then redis.call('ZADD', DUE, unpack(due)) end
  for status, n in pairs(statuses) do redis.call('HINCRBY', TOTALS, 'n:' .. status, n) end
  redis.call('HINCRBY', TOTALS, 'bytes', added)
  redis.call('HINCRBY', TOTALS, 'captured', kept / 2)
  for order, before in pairs(heads) do
    -- late ones may come before the one that was first until now
    for _, id in ipairs({ head(order), before or nil }) do
      local state = load(id)
      if state then schedule(id, state) end
    end
  end
end
return { duplicates, settled, refused, gone }
