--[[
  Removes entries for good, except those being sent.

  Input:
    ARGV ids
  Output:
    how many
]]
local count = 0
for _, id in ipairs(ARGV) do
  local state = load(id)
  if state ~= nil and not (state and state.status == 'sending' and held(id)) then
    bury(id)
    remove(id, state)
    count = count + 1
  end
end
redis.call('HINCRBY', TOTALS, 'discarded', count)
return count
