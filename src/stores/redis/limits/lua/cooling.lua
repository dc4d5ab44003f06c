-- Reads the cool-downs that are not over, and changes nothing. Before it: clock.lua of the circuits.
--
-- KEYS[1]  cool-downs: see cool.lua
--
-- Reply: id, milliseconds left, id, milliseconds left ...
local now = math.floor(micros / 1000)
local list = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf', 'WITHSCORES')
for i = 2, #list, 2 do list[i] = string.format('%.0f', tonumber(list[i]) - now) end
return list
