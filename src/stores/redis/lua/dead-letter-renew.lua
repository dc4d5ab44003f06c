-- Renews a lease and marks the entry as being sent. ARGV: 1 id, 2 fence, 3 lease (ms). Replies 1, or 0 when the claim is
-- stale or the entry gone.
local id = ARGV[1]
local st = load(id)
if not st or st.f ~= tonumber(ARGV[2]) or (st.s ~= 'leased' and st.s ~= 'sending') then return 0 end
local was = st.s
st.s, st.u = 'sending', now + tonumber(ARGV[3])
redis.call('ZADD', LEASE, st.u, id)
save(id, st, was)
return 1
