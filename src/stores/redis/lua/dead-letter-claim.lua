-- Hands out entries. ARGV: 1 limit, 2 lease (ms), 3 most replays (0: no limit), 4 how long what lapsed while sending
-- waits (ms), 5 mode, 6 evict what is older than (ms, or ''), 7 most bytes of a payload that is read, then ids for the
-- modes other than "due". Modes: "due" the next that are due; "some" those of the ids that are due; "ids" those that
-- nobody holds; "transfer" these too, sendable or not. Replies the entries: id, state, fields as they are in the stream;
-- those that cannot be read: id, message; and pairs of id and name evicted.
local limit, lease_ms, most, lapse_delay_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local mode, max_payload = ARGV[5], tonumber(ARGV[7])
local items, corrupt = {}, {}

local function condemn(id, st, message)
  corrupt[#corrupt + 1] = { id, message }
  local was = st and st.s or 'quarantined'
  st = st or { i = '0-0', b = 0, t = 0, d = 0, n = '' }
  st.s, st.y, st.z, st.w = 'quarantined', 0, 1, message
  save(id, st, was)
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', LEASE, '-inf', now, 'LIMIT', 0, 200)) do
  local st = load(id)
  if not st then
    redis.call('ZREM', LEASE, id)
  else
    local was = st.s
    if was == 'sending' then
      st.x = (st.x or 0) + 1
      remember(st, { at = now, outcome = 'lapsed' })
      if st.p ~= 1 then st.s, st.w = 'in_doubt', 'the replayer was lost while sending'
      elseif most > 0 and st.x >= most then st.s, st.w = 'quarantined', st.x .. ' replays used up'
      else st.s, st.d = 'pending', math.max(st.d, math.min(st.u or now, now) + lapse_delay_ms) end
    else
      st.s = st.v or 'pending'
    end
    st.v = nil
    save(id, st, was)
  end
end

evict_aged(ARGV[6])

local function allowed(id, st)
  if st.s == 'leased' or st.s == 'sending' or st.z == 1 then return false end
  if mode == 'transfer' then return true end
  if st.y ~= 1 or (st.k and head(st.k) ~= id) then return false end
  return mode == 'ids' or (st.s == 'pending' and st.d <= now)
end

local ids = mode == 'due' and redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, limit) or { unpack(ARGV, 8) }
for _, id in ipairs(ids) do
  if #items == limit then break end
  local st = load(id)
  if st == false then
    condemn(id, st, 'its state cannot be read')
  elseif st == nil then
    redis.call('ZREM', DUE, id)
  elseif allowed(id, st) then
    local fields = payload(st)
    local size = 0
    for _, field in ipairs(fields or {}) do size = size + #field end
    if not fields then
      condemn(id, st, 'its payload is gone')
    elseif size > max_payload then
      condemn(id, st, 'its payload has ' .. size .. ' bytes, more than ' .. max_payload)
    else
      local was = st.s
      st.v, st.s, st.u, st.f = was, 'leased', now + lease_ms, redis.call('HINCRBY', M, 'fence', 1)
      redis.call('ZADD', LEASE, st.u, id)
      save(id, st, was)
      items[#items + 1] = { id, cjson.encode(st), fields }
    end
  end
end
return { items, corrupt, gone }
