-- ARGV: 6 isolate | force-close | reset. An operator's word, until "reset" takes it back. Replies view, status.
local action = ARGV[6]
if action == 'isolate' then
  move('o', now, 0, 'i')
else
  move('c', 0, 0, action == 'force-close' and 'f' or '-')
end
return { view(), status }
