-- Adds records; repeating it is harmless. ARGV: 1 most records, 2 most bytes, 3 evict what is older than (ms, or ''),
-- 4 "common" or "full", then for each record: id, time, state without its end, record, body or ''; and where it is full:
-- due, status, hash of the ordering key or '', sealed or ''. A common one is pending, due at its time, has no ordering
-- key and is not sealed: fewer arguments are half of the way to a fast capture.
-- Replies how many were there before, the ids settled before, the ids refused, and pairs of id and name evicted; all
-- others are kept. All or nothing: a full server refuses the script before its first write.
local max_count, max_bytes, full = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[4] == 'full'
local FIRST, FIELDS = 5, full and 9 or 5
local settled, refused, duplicates = {}, {}, 0
local ids = {}
for i = FIRST, #ARGV, FIELDS do ids[#ids + 1] = ARGV[i] end

evict_aged(ARGV[3])
local tombs = redis.call('EXISTS', TOMB) == 1 and redis.call('ZMSCORE', TOMB, unpack(ids)) or {}
local known = redis.call('HMGET', ST, unpack(ids))
local count = redis.call('ZCARD', ALL)
local bytes = tonumber(redis.call('HGET', M, 'bytes') or 0)
local states, all, due, statuses, seen, lost, ordered, added, kept, dues = {}, {}, {}, {}, {}, {}, {}, 0, 0, 0

-- What this batch has added is not in ALL yet, so it is not evicted for what comes after it.
local function make_room(size)
  if size > max_bytes then return false end
  local function short() return count >= max_count or bytes + size > max_bytes end
  evict(1000, short, function(st) count, bytes = count - 1, bytes - st.b end)
  for i = 1, #gone, 2 do lost[gone[i]] = true end
  return not short()
end

for n, id in ipairs(ids) do
  local a = FIRST + (n - 1) * FIELDS
  local time, record, body = ARGV[a + 1], ARGV[a + 3], ARGV[a + 4]
  local due_at, status, order, sealed = time, 'pending', '', ''
  if full then due_at, status, order, sealed = ARGV[a + 5], ARGV[a + 6], ARGV[a + 7], ARGV[a + 8] end
  local size = #record + #body + #sealed
  if tombs[n] then
    settled[#settled + 1] = id
  elseif (known[n] and not lost[id]) or seen[id] then
    duplicates = duplicates + 1
  elseif (count >= max_count or bytes + size > max_bytes) and not make_room(size) then
    refused[#refused + 1] = id
  else
    local entry
    if sealed == '' then
      entry = redis.call('XADD', S, '*', 'r', record, 'b', body)
    else
      entry = redis.call('XADD', S, '*', 'r', record, 'b', body, 'e', sealed)
    end
    seen[id] = true
    kept = kept + 2
    states[kept - 1], states[kept] = id, ARGV[a + 2] .. ',"b":' .. size .. ',"i":"' .. entry .. '"}'
    all[kept - 1], all[kept] = time, id
    if order ~= '' then
      redis.call('ZADD', ORD, 0, order .. ':' .. id)
      ordered[order] = true
    elseif status == 'pending' then
      dues = dues + 2
      due[dues - 1], due[dues] = due_at, id
    end
    statuses[status] = (statuses[status] or 0) + 1
    count, bytes, added = count + 1, bytes + size, added + size
  end
end

if kept > 0 then
  redis.call('HSET', ST, unpack(states))
  redis.call('ZADD', ALL, unpack(all))
  if dues > 0 then redis.call('ZADD', DUE, unpack(due)) end
  for status, n in pairs(statuses) do redis.call('HINCRBY', M, 'n:' .. status, n) end
  redis.call('HINCRBY', M, 'bytes', added)
  redis.call('HINCRBY', M, 'captured', kept / 2)
  for order in pairs(ordered) do
    -- a late one may come before the one that was first until now
    local members = redis.call('ZRANGEBYLEX', ORD, '[' .. order .. ':', '(' .. order .. ';', 'LIMIT', 0, 2)
    for _, member in ipairs(members) do
      local id = string.sub(member, #order + 2)
      local st = load(id)
      if st then schedule(id, st) end
    end
  end
end
return { duplicates, settled, refused, gone }
