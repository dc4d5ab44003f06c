-- Removes entries for good, except those being sent. ARGV: ids. Replies how many.
local count = 0
for _, id in ipairs(ARGV) do
  local st = load(id)
  if st ~= nil and not (st and st.s == 'sending' and held(id)) then
    remove(id, st)
    bury(id)
    count = count + 1
  end
end
redis.call('HINCRBY', M, 'discarded', count)
return count
