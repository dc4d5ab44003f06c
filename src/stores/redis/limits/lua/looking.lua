-- Reads one limit, and changes nothing. Before it: clock.lua of the circuits.
--
-- KEYS: see exchange.lua
--
-- Reply: limit, window in milliseconds, used in the window, held, waiting live, waiting background, processes, milliseconds
-- for which nothing is granted; nothing where there is no such limit
local now = math.floor(micros / 1000)
local raw = redis.call('HMGET', KEYS[3], 'size', 'win', 'held', 'live', 'back', 'ms', 'wait')
local size, window, ms = tonumber(raw[1]), tonumber(raw[2]), tonumber(raw[6])
if not size or not window or not ms then return {} end
local first = math.floor(now / ms) - math.ceil(window / ms)
local used = 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if (tonumber(all[i]) or 0) >= first then used = used + (tonumber(all[i + 1]) or 0) end
end
local alive = redis.call('ZRANGEBYSCORE', KEYS[4], '(' .. string.format('%.0f', now), '+inf')
local function text(number) return string.format('%.0f', tonumber(number) or 0) end
return { text(size), text(window), text(used), text(raw[3]), text(raw[4]), text(raw[5]), text(#alive),
  text(math.max(0, (tonumber(raw[7]) or 0) - now)) }
