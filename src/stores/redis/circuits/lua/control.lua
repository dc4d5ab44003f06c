-- An operator override: it holds until "reset" ends it. Before it: machine.lua, which says the KEYS and ARGV[1] to ARGV[5].
--
-- ARGV[6]  isolate, force-close or reset
--
-- Reply: view, status
local action = ARGV[6]
if action == 'isolate' then
  move('o', now, 0, 'i')
else
  move('c', 0, 0, action == 'force-close' and 'f' or '-')
end
return { view(), status }
