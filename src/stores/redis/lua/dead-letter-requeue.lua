-- Brings back what is in doubt or quarantined. ARGV: 1 delay (ms), then ids. Replies how many.
local count = 0
for n = 2, #ARGV do
  local st = load(ARGV[n])
  if st and st.y == 1 and st.z ~= 1 and (st.s == 'in_doubt' or st.s == 'quarantined') then
    local was = st.s
    st.s, st.d, st.x, st.w = 'pending', now + tonumber(ARGV[1]), 0, nil
    save(ARGV[n], st, was)
    count = count + 1
  end
end
return count
