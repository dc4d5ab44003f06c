-- Adds results to the window, unless they belong to another epoch, and opens the circuit when they reach the threshold.
-- Before it: machine.lua, which says the KEYS and ARGV[1] to ARGV[5].
--
-- ARGV[6]  results in all
-- ARGV[7]  failures among them
-- ARGV[8]  slow calls among them
--
-- Reply: view, status, and the sums of the window: total, failed, slow
local total, failed, slow = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local counted = (status == 'same' or status == 'created') and circuit.state == 'c' and circuit.override == '-'
local current = math.floor(now / policy.bucket_ms)

if counted and total + failed + slow > 0 then
  local slot = current % policy.buckets
  local held = numbers(redis.call('HGET', KEYS[2], slot) or '')
  if held[1] ~= current then held = { current, 0, 0, 0 } end
  redis.call('HSET', KEYS[2], slot, table.concat({ text(current), text((held[2] or 0) + total),
    text((held[3] or 0) + failed), text((held[4] or 0) + slow) }, ','))
  keep_window()
end

local sums = { 0, 0, 0 }
for _, value in ipairs(redis.call('HVALS', KEYS[2])) do
  local bucket = numbers(value)
  if (bucket[1] or -1) > current - policy.buckets and bucket[1] <= current then
    for i = 1, 3 do sums[i] = sums[i] + (bucket[i + 1] or 0) end
  end
end

-- Whether a sample surely carries a share of at least `rate`: `carriesRate` of src/circuit/machine/policy.ts once more.
local function carries_rate(all, hits, rate)
  if hits >= all then return true end
  local above = hits - rate * all
  return above >= 0 and above * above >= 5.4119 * all * rate * (1 - rate)
end

if counted and failed + slow > 0 then
  local reporters = policy.quorum
  if policy.quorum > 1 then
    redis.call('ZADD', KEYS[4], now, by)
    redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - policy.window_ms)
    redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -(MAX_REPORTERS + 1))
    keep_reporters()
    reporters = redis.call('ZCARD', KEYS[4])
  end
  local by_failures = sums[2] >= policy.failure_threshold and carries_rate(sums[1], sums[2], policy.failure_rate)
  local by_slowness = policy.slow_call_rate > 0 and carries_rate(sums[1], sums[3], policy.slow_call_rate)
  if sums[1] >= policy.minimum_requests and (by_failures or by_slowness) and reporters >= policy.quorum then open() end
end

keep_state()
return { view(), status, text(sums[1]), text(sums[2]), text(sums[3]) }
