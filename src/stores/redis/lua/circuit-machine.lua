#!lua flags=allow-oom
-- The state machine of src/circuit/machine.ts, and the beginning of every circuit script. A few hundred bytes per
-- circuit: allow-oom lets a full server go on telling processes to stop calling.
-- KEYS: 1 state (hash), 2 window (hash slot -> "bucket,total,failed,slow"), 3 leases (hash token -> "granted,expires"),
--       4 reporters (sorted set)
-- ARGV: 1 channel, 2 circuit id, 3 this process, 4 policy, 5 the caller's view, 6... the operation's own
local FUTURE_MICROS, MAX_EPOCH, MAX_REPORTERS, MAX_TRIPS = 10000000, 9007199254000000, 64, 1000
local DAY = 86400000

local clock = redis.call('TIME')
local micros = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local now = math.floor(micros / 1000)
local by = ARGV[3]

local function numbers(text)
  local list = {}
  for part in string.gmatch(text, '[^,]+') do list[#list + 1] = tonumber(part) or 0 end
  return list
end

local function text(number) return string.format('%.0f', number) end

local p = numbers(ARGV[4])
local policy = {
  bucket_ms = p[1], buckets = p[2], window_ms = p[3], failure_threshold = p[4], failure_rate = p[5],
  minimum_requests = p[6], slow_call_rate = p[7], timeout_ms = p[8], max_timeout_ms = p[9], probes = p[10],
  quorum = p[11], lease_ms = p[12],
}

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

local function view()
  local remaining = 0
  if circuit.state == 'o' and circuit.override == '-' then remaining = math.max(0, circuit.due - now) end
  return table.concat({ text(circuit.epoch), circuit.state, text(remaining), text(circuit.trips), circuit.override,
    circuit.by == '' and '-' or circuit.by, text(micros) }, ' ')
end

local function keep()
  redis.call('PEXPIRE', KEYS[1], circuit.override == '-' and DAY or 30 * DAY)
end

local function announce()
  redis.call('PUBLISH', ARGV[1], '1 ' .. ARGV[2] .. ' ' .. view())
end

-- The only place that writes a transition: nothing of the old round remains, and all processes are told.
local function settle(epoch, state, due, trips, override, author)
  circuit = { epoch = epoch, state = state, due = due, trips = trips, override = override, successes = 0, by = author }
  if not valid then redis.call('DEL', KEYS[1]) end
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
  redis.call('HSET', KEYS[1], 'ep', text(epoch), 'st', state, 'due', text(due), 'n', text(trips), 'ov', override,
    'ps', '0', 'by', author)
  valid = true
  keep()
  announce()
end

local function move(state, due, trips, override)
  settle(math.max(circuit.epoch + 1, micros), state, due, trips, override, by)
end

local function open()
  local trips = math.min(circuit.trips + 1, MAX_TRIPS)
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
  local v = {}
  for part in string.gmatch(ARGV[5], '[^ ]+') do v[#v + 1] = part end
  local epoch = tonumber(v[1])
  if epoch and epoch > 0 and epoch == circuit.epoch then return 'same' end
  local sane = epoch and epoch == math.floor(epoch) and epoch >= 0 and epoch <= micros + FUTURE_MICROS
    and epoch < MAX_EPOCH
  if circuit.epoch == 0 and (not sane or epoch == 0) then
    settle(math.max(1, micros), 'c', 0, 0, '-', by)
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
  settle(epoch, opens and 'o' or 'c', due, trips, override, v[6] == '-' and '' or v[6] or '')
  return 'adopted'
end

local status = sync()
