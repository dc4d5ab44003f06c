-- Lets a key cool: the longest wins, by the server's clock, and all processes are told.
-- Before it: clock.lua of the circuits, which sets `micros`.
--
-- KEYS[1]  cool-downs: a sorted set, id of the key -> until when, in milliseconds since 1970; `!` and an id -> until when
--          it is kept that the cool-down was ended before its time, for who missed the message
--
-- ARGV  1 channel  2 what a message begins with  3 id  4 milliseconds; 0 ends the cool-down
--
-- Reply: what is left of it, in milliseconds
local ENDED_MS = 3600000
local now = math.floor(micros / 1000)
local asked = tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if asked == 0 then
  redis.call('ZREM', KEYS[1], ARGV[3])
  redis.call('ZADD', KEYS[1], now + ENDED_MS, '!' .. ARGV[3])
  redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), ENDED_MS + 1000))
  redis.call('PUBLISH', ARGV[1], ARGV[2] .. ' clear ' .. ARGV[3])
  return '0'
end
local known = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[3]) or '0')
local till = math.max(known, now + asked)
local left = string.format('%.0f', till - now)
if till > known then
  redis.call('ZREM', KEYS[1], '!' .. ARGV[3])
  redis.call('ZADD', KEYS[1], till, ARGV[3])
  redis.call('PUBLISH', ARGV[1], ARGV[2] .. ' cool ' .. ARGV[3] .. ' ' .. left)
end
-- the set lives as long as its longest cool-down
redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), till - now + 1000))
return left
