--[[
  Counts. Changes nothing.

  Output:
    [1] names and values of the totals
    [2] how many entries
    [3] time of capture of the oldest; nothing when there is none
    [4] how many are due
]]
local oldest = redis.call('ZRANGE', ALL, 0, 0, 'WITHSCORES')[2] or false
return { redis.call('HGETALL', TOTALS), redis.call('ZCARD', ALL), oldest, redis.call('ZCOUNT', DUE, '-inf', now) }
