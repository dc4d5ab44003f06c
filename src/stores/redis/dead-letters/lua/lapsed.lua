--[[
  Finds leases that ended by themselves, at most 200, for a claim to settle before it looks for more.

  Input:
    ARGV[1] evict what is older than this, in milliseconds, or ''
  Output:
    [1] the server's time
    [2] pairs of id and state
    [3] pairs of id and integration evicted
    [4] 1 where totals and indexes are to be made anew
]]
evict_aged(ARGV[1])
local lapsed = {}
local function take(ids)
  for _, id in ipairs(ids) do
    local json = redis.call('HGET', STATES, id)
    if json then
      lapsed[#lapsed + 1] = id
      lapsed[#lapsed + 1] = json
    else
      redis.call('ZREM', LEASES, id)
    end
  end
end
take(redis.call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, 200))
take(redis.call('ZRANGEBYSCORE', LEASES, '(' .. whole(now + MAX_LEASE_MS), '+inf', 'LIMIT', 0, 20))
return { whole(now), lapsed, gone, redis.call('HGET', TOTALS, 'doubtful') and 1 or 0 }
