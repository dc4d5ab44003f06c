--[[
  Renews a lease and marks the entry as being sent: the one change that is decided here, for it is in the way of every
  request that is sent again.

  Input:
    ARGV[1] id
    ARGV[2] fence
    ARGV[3] how long the lease holds, in milliseconds
  Output:
    [1] the server's time
    [2] the state; nothing when the claim is stale or the entry gone
]]
local id, fence, lease_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local state = load(id)
if not state or state.fence ~= fence or not is_held(state.status) then return { whole(now) } end
local was = state.status
state.status, state.leaseUntil = 'sending', now + lease_ms
local json = cjson.encode(state)
replace(id, was, state, json)
return { whole(now), json }
