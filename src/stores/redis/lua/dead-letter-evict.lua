-- Retention, for the scripts that need it. `gone` collects pairs of id and name.
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
      local st = load(id)
      remove(id, st)
      redis.call('HINCRBY', M, 'evicted', 1)
      gone[#gone + 1] = id
      gone[#gone + 1] = st and type(st.n) == 'string' and st.n or ''
      if tell then tell(st or { b = 0 }) end
    end
  end
end

local function evict_aged(age_ms)
  if age_ms == '' then return end
  local before = now - tonumber(age_ms)
  evict(100, function(at) return at < before end)
end
