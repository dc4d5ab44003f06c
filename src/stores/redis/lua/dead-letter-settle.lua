-- Ends a claim. ARGV: 1 id, 2 fence, 3 done | failed | later | in_doubt | quarantined | unreadable, 4 delay (ms), 5 most
-- replays, 6 replay as JSON or '', 7 note. Replies done | again | quarantined | in_doubt | stale | gone.
local id, outcome, note = ARGV[1], ARGV[3], ARGV[7]
local st = load(id)
if st == nil then return 'gone' end
if not st or st.f ~= tonumber(ARGV[2]) then return 'stale' end
if st.s ~= 'leased' and st.s ~= 'sending' then
  -- it lapsed while sending, and its holder was only slow: what the server took is done
  local last = st.h and st.h[#st.h]
  if outcome ~= 'done' or type(last) ~= 'table' or last.outcome ~= 'lapsed' then return 'stale' end
end

if outcome == 'done' then
  remove(id, st)
  bury(id)
  redis.call('HINCRBY', M, 'replayed', 1)
  return 'done'
end

local was, before = st.s, st.v
st.v = nil
if outcome == 'later' then
  st.s, st.d = before or 'pending', now + tonumber(ARGV[4])
  if ARGV[6] ~= '' then remember(st, cjson.decode(ARGV[6])) end
  save(id, st, was)
  return 'again'
end
if outcome == 'unreadable' then
  st.s, st.y, st.z, st.w = 'quarantined', 0, 1, note
  save(id, st, was)
  return 'quarantined'
end

st.x = (st.x or 0) + 1
remember(st, cjson.decode(ARGV[6]))
local result = outcome
if outcome == 'failed' then
  local most = tonumber(ARGV[5])
  result = st.x >= most and 'quarantined' or 'again'
  if result == 'quarantined' then note = st.x .. ' replays used up' end
end
st.s = result == 'again' and 'pending' or result
if result == 'again' then st.d = now + tonumber(ARGV[4]) else st.w = note end
save(id, st, was)
return result
