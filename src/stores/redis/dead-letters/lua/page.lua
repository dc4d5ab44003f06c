--[[
  Walks through entries. Changes nothing.

  Input:
    ARGV[1] newest, oldest: by time of capture; due: what is due by now, by due time
    ARGV[2] for "newest", the time of capture to begin at, or ''
    ARGV[3] how many to pass over
    ARGV[4] how many
  Output:
    [1] the server's time
    [2] for each entry: id, time of its order, state or nothing
]]
local order, offset, count = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local found
if order == 'newest' then
  local first = ARGV[2] == '' and '+inf' or ARGV[2]
  found = redis.call('ZREVRANGEBYSCORE', ALL, first, '-inf', 'WITHSCORES', 'LIMIT', offset, count)
elseif order == 'oldest' then
  found = redis.call('ZRANGEBYSCORE', ALL, '-inf', '+inf', 'WITHSCORES', 'LIMIT', offset, count)
else
  found = redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'WITHSCORES', 'LIMIT', offset, count)
end
local ids, rows = {}, {}
for at = 1, #found, 2 do ids[#ids + 1] = found[at] end
local states = #ids > 0 and redis.call('HMGET', STATES, unpack(ids))
for at, id in ipairs(ids) do rows[at] = { id, found[at * 2], states[at] } end
return { whole(now), rows }
