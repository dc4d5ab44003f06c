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
local adds = counted and total + failed + slow > 0
local current = math.floor(now / policy.bucket_ms)

-- What does not read as a bucket counts as lost. Most hold successes alone, which is the quicker one to read.
local function read_bucket(value)
  local bucket, all = string.match(value, '^(%d+),(%d+),0,0$')
  if bucket then return tonumber(bucket), all, 0, 0 end
  local at, t, f, s = string.match(value, '^(%d+),(%d+),(%d+),(%d+)$')
  return tonumber(at) or -1, t, f, s
end

local sums, held = { 0, 0, 0 }, nil
for _, value in ipairs(redis.call('HVALS', KEYS[2])) do
  local bucket, t, f, s = read_bucket(value)
  if bucket > current - policy.buckets and bucket <= current then
    sums[1], sums[2], sums[3] = sums[1] + t, sums[2] + f, sums[3] + s
    -- it lies in the slot that is written to
    if bucket == current then held = { t, f, s } end
  end
end

if adds then
  sums[1], sums[2], sums[3] = sums[1] + total, sums[2] + failed, sums[3] + slow
  local t, f, s = total, failed, slow
  if held then t, f, s = held[1] + t, held[2] + f, held[3] + s end
  redis.call('HSET', KEYS[2], current % policy.buckets, string.format('%.0f,%.0f,%.0f,%.0f', current, t, f, s))
  -- whoever counts first into a bucket keeps it alive, once in a tenth of the window
  if not held then keep_window() end
end
if not (adds and held) then keep_state() end

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

return { view(), status, text(sums[1]), text(sums[2]), text(sums[3]) }
