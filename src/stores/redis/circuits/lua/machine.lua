-- The state machine of src/circuit/machine/machine.ts once more: test/contracts/circuit/circuit-backend.ts compares them
-- reply by reply. Change one, change the other. Before it: clock.lua, state.lua, policy.lua, ttl.lua.
--
-- KEYS[1]  state: see state.lua
-- KEYS[2]  window: a hash, slot -> "bucket,total,failed,slow"
-- KEYS[3]  leases of probes: a hash, token -> "granted,expires" in milliseconds since 1970
-- KEYS[4]  reporters: a sorted set, process -> when it last failed, in milliseconds since 1970
--
-- ARGV[1]  the channel on which transitions are told
-- ARGV[2]  what a message about this circuit begins with
-- ARGV[3]  the process that asks
-- ARGV[4]  its policy: see policy.lua
-- ARGV[5]  its view, as `encodeView` writes it: epoch, state, milliseconds that it stays open, trips, override, author
-- ARGV[6]  and on: of the operation
--
-- Every reply begins with the view, and the status: created, same, behind, adopted or refused.

local FUTURE_MICROS, MAX_REPORTERS, MAX_TRIPS = 10000000, 64, 1000
local by = ARGV[3]

local function announce()
  redis.call('PUBLISH', ARGV[1], ARGV[2] .. ' ' .. view())
end

-- The only place that writes a transition: nothing of the old round remains, and all processes are told.
local function set_state(epoch, state, due, trips, override, author)
  circuit = { epoch = epoch, state = state, due = due, trips = trips, override = override, successes = 0, by = author }
  if not valid then redis.call('DEL', KEYS[1]) end
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
  redis.call('HSET', KEYS[1], 'ep', text(epoch), 'st', state, 'due', text(due), 'n', text(trips), 'ov', override,
    'ps', '0', 'by', author)
  valid = true
  keep_state()
  announce()
end

local function move(state, due, trips, override)
  set_state(math.max(circuit.epoch + 1, micros), state, due, trips, override, by)
end

-- A row of openings ends with a window's time of being closed: the epoch of a closed circuit is the time of its closing.
local function open()
  local calm = circuit.state == 'c' and micros - circuit.epoch >= policy.window_ms * 1000
  local trips = math.min((calm and 0 or circuit.trips) + 1, MAX_TRIPS)
  move('o', now + math.min(policy.timeout_ms * 2 ^ (trips - 1), policy.max_timeout_ms), trips, '-')
end

local function clamp(number, max)
  if not number or number ~= number then return 0 end
  return math.min(math.max(0, math.floor(number)), max)
end

-- Brings the caller's view and the state together: the highest epoch wins, so what the server lost comes back.
local function sync()
  if circuit.state == 'o' and circuit.due > now + policy.max_timeout_ms then
    circuit.due = now + policy.max_timeout_ms
    redis.call('HSET', KEYS[1], 'due', text(circuit.due))
  end
  local epoch = tonumber((string.match(ARGV[5], '^[^ ]+')))
  -- nearly always: nothing else of the view is read
  if epoch and epoch > 0 and epoch == circuit.epoch then return 'same' end
  local v = {}
  for part in string.gmatch(ARGV[5], '[^ ]+') do v[#v + 1] = part end
  local sane = epoch and epoch == math.floor(epoch) and epoch >= 0 and epoch <= micros + FUTURE_MICROS
    and epoch < MAX_EPOCH
  if circuit.epoch == 0 and (not sane or epoch == 0) then
    set_state(math.max(1, micros), 'c', 0, 0, '-', by)
    return sane and 'created' or 'refused'
  end
  if not sane then return 'refused' end
  if epoch < circuit.epoch then return 'behind' end
  local trips = clamp(tonumber(v[4]), MAX_TRIPS)
  local override = (v[5] == 'i' or v[5] == 'f') and v[5] or '-'
  if override == '-' and v[2] == 'h' then
    -- the leases of that round are lost: a new one begins, under a new epoch
    circuit.epoch = epoch
    move('o', now, trips, '-')
    return 'adopted'
  end
  local opens = override == 'i' or (override == '-' and v[2] == 'o')
  local due = opens and now + clamp(tonumber(v[3]), policy.max_timeout_ms) or 0
  set_state(epoch, opens and 'o' or 'c', due, trips, override, v[6] == '-' and '' or v[6] or '')
  return 'adopted'
end

local status = sync()
