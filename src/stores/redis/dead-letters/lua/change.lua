--[[
  Writes states that the lifecycle has decided on, where nothing has changed since they were read.

  Input:
    for each entry
      id
      state as it was read, '' for none
      next state; '' removes the entry, and its id never comes back
  Output:
    for each entry 1 if it was written, 0 if it has changed meanwhile
  Effects:
    counts what is removed as replayed
]]
local written = {}
for a = 1, #ARGV, 3 do
  local id, expected, json = ARGV[a], ARGV[a + 1], ARGV[a + 2]
  local current = redis.call('HGET', STATES, id)
  local isUnchanged = (current or '') == expected
  if isUnchanged then
    local was, next = parse(current), parse(json ~= '' and json)
    if next then
      replace(id, was and was.status, next, json)
    else
      if was then
        bury(id)
        redis.call('HINCRBY', TOTALS, 'replayed', 1)
      end
      remove(id, was)
    end
  end
  written[#written + 1] = isUnchanged and 1 or 0
end
return written
