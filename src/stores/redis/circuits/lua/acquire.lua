-- Asks for a probe's slot. The same token again renews its lease, so a command that was sent twice takes one slot.
-- Before it: machine.lua, which says the KEYS and ARGV[1] to ARGV[5].
--
-- ARGV[6]  token
-- ARGV[7]  "renew" to renew a lease and do nothing else, else ""
--
-- Reply: view, status, result (go, granted or denied), when to ask again in milliseconds
local token, renew = ARGV[6], ARGV[7] == 'renew'

local function lease(granted)
  redis.call('HSET', KEYS[3], token, text(granted) .. ',' .. text(now + policy.lease_ms))
  keep_leases()
  keep_state()
  return { view(), status, 'granted', '0' }
end
local function denied(retry_in) return { view(), status, 'denied', text(retry_in) } end

if renew then
  local held = numbers(redis.call('HGET', KEYS[3], token) or '')
  if circuit.override ~= '-' or circuit.state ~= 'h' or (held[2] or 0) <= now then return denied(0) end
  return lease(held[1])
end

if circuit.override == 'i' then return denied(policy.timeout_ms) end
if circuit.state == 'c' then return { view(), status, 'go', '0' } end
if circuit.state == 'o' then
  if now < circuit.due then return denied(circuit.due - now) end
  move('h', 0, circuit.trips, '-')
end

local live, young, first, mine = 0, 0, math.huge, nil
local leases = redis.call('HGETALL', KEYS[3])
for i = 1, #leases, 2 do
  local held = numbers(leases[i + 1])
  local granted, expires = held[1] or 0, held[2] or 0
  if expires <= now then
    redis.call('HDEL', KEYS[3], leases[i])
  else
    local overdue = granted + policy.lease_ms
    live = live + 1
    if overdue > now then young = young + 1 end
    first = math.min(first, overdue > now and overdue or expires)
    if leases[i] == token then mine = granted end
  end
end
-- one may always be in flight, though this process asks for fewer successes than others have had already
local full = live >= policy.probes or (live > 0 and circuit.successes + young >= policy.probes)
if not mine and full then return denied(math.max(1, first - now)) end
return lease(mine or now)
