-- Adds records; repeating it is harmless. ARGV: 1 most records, 2 most bytes, 3 evict what is older than (ms, or ''),
-- then for each record: id, time, due, bytes, status, hash of the ordering key or '', state without its end, record,
-- body or '', sealed or ''. Replies the ids kept, how many of them were there before, the ids settled before, the ids
-- refused, and pairs of id and name evicted. All or nothing: a full server refuses the script before its first write.
local max_count, max_bytes, FIELDS = tonumber(ARGV[1]), tonumber(ARGV[2]), 10
local kept, settled, refused, duplicates = {}, {}, {}, 0
local ids = {}
for i = 4, #ARGV, FIELDS do ids[#ids + 1] = ARGV[i] end

evict_aged(ARGV[3])
local tombs = redis.call('EXISTS', TOMB) == 1 and redis.call('ZMSCORE', TOMB, unpack(ids)) or {}
local known = redis.call('HMGET', ST, unpack(ids))
local count = redis.call('ZCARD', ALL)
local bytes = tonumber(redis.call('HGET', M, 'bytes') or 0)
local states, all, due, statuses, seen, ordered, added = {}, {}, {}, {}, {}, {}, 0

-- What this batch has added is not in ALL yet, so it is not evicted for what comes after it.
local function room(size)
  if size > max_bytes then return false end
  local function full() return count >= max_count or bytes + size > max_bytes end
  if full() then evict(1000, full, function(st) count, bytes = count - 1, bytes - st.b end) end
  return not full()
end

for n, id in ipairs(ids) do
  local a = 4 + (n - 1) * FIELDS
  local size, status, order = tonumber(ARGV[a + 3]), ARGV[a + 4], ARGV[a + 5]
  if tombs[n] then
    settled[#settled + 1] = id
  elseif known[n] or seen[id] then
    duplicates = duplicates + 1
    kept[#kept + 1] = id
  elseif not room(size) then
    refused[#refused + 1] = id
  else
    local entry
    if ARGV[a + 9] == '' then
      -- the common case, without a table of its own
      entry = redis.call('XADD', S, '*', 'r', ARGV[a + 7], 'b', ARGV[a + 8])
    else
      entry = redis.call('XADD', S, '*', 'r', ARGV[a + 7], 'b', ARGV[a + 8], 'e', ARGV[a + 9])
    end
    seen[id] = true
    kept[#kept + 1] = id
    states[#states + 1] = id
    states[#states + 1] = ARGV[a + 6] .. ',"i":"' .. entry .. '"}'
    all[#all + 1] = ARGV[a + 1]
    all[#all + 1] = id
    if order ~= '' then
      redis.call('ZADD', ORD, 0, order .. ':' .. id)
      ordered[order] = true
    elseif status == 'pending' then
      due[#due + 1] = ARGV[a + 2]
      due[#due + 1] = id
    end
    statuses[status] = (statuses[status] or 0) + 1
    count, bytes, added = count + 1, bytes + size, added + size
  end
end

if #states > 0 then
  redis.call('HSET', ST, unpack(states))
  redis.call('ZADD', ALL, unpack(all))
  if #due > 0 then redis.call('ZADD', DUE, unpack(due)) end
  for status, n in pairs(statuses) do redis.call('HINCRBY', M, 'n:' .. status, n) end
  redis.call('HINCRBY', M, 'bytes', added)
  redis.call('HINCRBY', M, 'captured', #states / 2)
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
return { kept, duplicates, settled, refused, gone }
