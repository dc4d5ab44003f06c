-- Takes what came of a probe, unless its round or its lease is over.
-- Before it: machine.lua, which says the KEYS and ARGV[1] to ARGV[5].
--
-- ARGV[6]  token
-- ARGV[7]  ok, fail or void
--
-- Reply: view, status, result (counted, void or ignored)
local token, result = ARGV[6], ARGV[7]

local function decide()
  if circuit.state ~= 'h' then return 'ignored' end
  local held = numbers(redis.call('HGET', KEYS[3], token) or '')
  if (held[2] or 0) <= now then return 'ignored' end
  redis.call('HDEL', KEYS[3], token)
  if result == 'void' then
    -- no transition, but others may ask for the slot now
    announce()
    return 'void'
  end
  if result == 'fail' then
    open()
  elseif circuit.successes + 1 >= policy.probes then
    move('c', 0, circuit.trips, '-')
  else
    circuit.successes = redis.call('HINCRBY', KEYS[1], 'ps', 1)
  end
  return 'counted'
end

local outcome = decide()
return { view(), status, outcome }
