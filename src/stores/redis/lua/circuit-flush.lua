-- ARGV: 6 total, 7 failed, 8 slow. Adds results to the window, unless they belong to another epoch, and opens the
-- circuit when they reach the threshold. Replies view, status, and the sums of the window.
local total, failed, slow = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local counted = (status == 'same' or status == 'created') and circuit.state == 'c' and circuit.override == '-'
local current = math.floor(now / policy.bucket_ms)

if counted and total + failed + slow > 0 then
  local slot = current % policy.buckets
  local held = numbers(redis.call('HGET', KEYS[2], slot) or '')
  if held[1] ~= current then held = { current, 0, 0, 0 } end
  redis.call('HSET', KEYS[2], slot, table.concat({ text(current), text((held[2] or 0) + total),
    text((held[3] or 0) + failed), text((held[4] or 0) + slow) }, ','))
  redis.call('PEXPIRE', KEYS[2], policy.window_ms * 2)
end

local sums = { 0, 0, 0 }
for _, value in ipairs(redis.call('HVALS', KEYS[2])) do
  local bucket = numbers(value)
  if (bucket[1] or -1) > current - policy.buckets and bucket[1] <= current then
    for i = 1, 3 do sums[i] = sums[i] + (bucket[i + 1] or 0) end
  end
end

if counted and failed + slow > 0 then
  local reporters = policy.quorum
  if policy.quorum > 1 then
    redis.call('ZADD', KEYS[4], now, by)
    redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - policy.window_ms)
    redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -(MAX_REPORTERS + 1))
    redis.call('PEXPIRE', KEYS[4], policy.window_ms * 2)
    reporters = redis.call('ZCARD', KEYS[4])
  end
  local by_failures = sums[2] >= policy.failure_threshold and sums[2] >= policy.failure_rate * sums[1]
  local by_slowness = policy.slow_call_rate > 0 and sums[3] >= policy.slow_call_rate * sums[1]
  if sums[1] >= policy.minimum_requests and (by_failures or by_slowness) and reporters >= policy.quorum then open() end
end

keep()
return { view(), status, text(sums[1]), text(sums[2]), text(sums[3]) }
