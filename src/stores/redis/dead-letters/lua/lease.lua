--[[
  Leases the first of the candidates that are as they were read. The lifecycle has said that each may be claimed; whether
  it is the first of its ordering key is known here alone.

  Input:
    ARGV[1] most entries
    ARGV[2] how long the lease holds, in milliseconds
    ARGV[3] most bytes of a payload that is read
    ARGV[4] "in-order", or '' for entries behind others of their ordering key, too
    then for each candidate
      id
      state as it was read
      leased state without its end
  Output:
    [1] the server's time
    [2] what is leased: id, state, fields of the payload
    [3] what is not, since its payload cannot be read: id, message
]]
local most, lease_ms, max_payload, in_order = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] ~= ''
local leased, unreadable = {}, {}
for a = 5, #ARGV, 3 do
  if #leased == most then break end
  local id, json = ARGV[a], redis.call('HGET', STATES, ARGV[a])
  local state = json == ARGV[a + 1] and parse(json)
  if state and not (in_order and state.order and head(state.order) ~= id) then
    local fields, size = payload(state), 0
    for _, field in ipairs(fields or {}) do size = size + #field end
    if not fields then
      unreadable[#unreadable + 1] = { id, 'its payload is gone' }
    elseif size > max_payload then
      unreadable[#unreadable + 1] = { id, 'its payload has ' .. size .. ' bytes, more than ' .. max_payload }
    else
      local was = state.status
      local fence = redis.call('HINCRBY', TOTALS, 'fence', 1)
      state.status, state.leaseUntil = 'leased', now + lease_ms
      json = ARGV[a + 2] .. ',"fence":' .. whole(fence) .. ',"leaseUntil":' .. whole(state.leaseUntil) .. '}'
      replace(id, was, state, json)
      leased[#leased + 1] = { id, json, fields }
    end
  end
end
return { whole(now), leased, unreadable }
