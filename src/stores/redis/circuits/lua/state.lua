-- The state of a circuit, and how a view of it is written. Before it: clock.lua.
--
-- KEYS[1]  state: a hash of
--            ep   epoch: microseconds since 1970 at the last transition; each transition has a higher one
--            st   state: c closed, o open, h half-open
--            due  when an open circuit lets a probe through, in milliseconds since 1970
--            n    trips: times opened in a row; `open` of machine.lua says when a row ends
--            ov   operator override: - none, i isolated, f forced closed
--            ps   probes of this round that succeeded
--            by   the process that made the last transition

local MAX_EPOCH = 9007199254000000
local now = math.floor(micros / 1000)

local function numbers(text)
  local list = {}
  for part in string.gmatch(text, '[^,]+') do list[#list + 1] = tonumber(part) or 0 end
  return list
end

local function text(number) return string.format('%.0f', number) end

local raw = redis.call('HMGET', KEYS[1], 'ep', 'st', 'due', 'n', 'ov', 'ps', 'by')
local circuit = {
  epoch = tonumber(raw[1]) or 0, state = raw[2], due = tonumber(raw[3]) or 0, trips = tonumber(raw[4]) or 0,
  override = raw[5], successes = tonumber(raw[6]) or 0, by = raw[7] or '',
}
-- what no script of ours wrote counts as lost
local valid = (circuit.state == 'c' or circuit.state == 'o' or circuit.state == 'h')
  and (circuit.override == '-' or circuit.override == 'i' or circuit.override == 'f')
  and circuit.epoch == math.floor(circuit.epoch) and circuit.epoch > 0 and circuit.epoch < MAX_EPOCH
if not valid then circuit = { epoch = 0, state = 'c', due = 0, trips = 0, override = '-', successes = 0, by = '' } end

-- As `decodeView` reads it: epoch, state, milliseconds that it stays open, trips, override, author, time.
local function view()
  local remaining = 0
  if circuit.state == 'o' and circuit.override == '-' then remaining = math.max(0, circuit.due - now) end
  return string.format('%.0f %s %.0f %.0f %s %s %.0f', circuit.epoch, circuit.state, remaining, circuit.trips,
    circuit.override, circuit.by == '' and '-' or circuit.by, micros)
end
