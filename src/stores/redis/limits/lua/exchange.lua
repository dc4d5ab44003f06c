-- One exchange between a process and a limit that all share: what it used is recorded, what it still holds is renewed,
-- and permits are granted. O(1) in the number of processes.
-- Invariant, at every grant: units held by all + units recorded in the window <= limit. Units are recorded when they are
-- reported, never earlier than they were used, so no window of the clients' holds more than the limit.
-- Before it: clock.lua of the circuits, which sets `micros`.
--
-- KEYS[1]  usage: a hash, bucket -> units; a window has 100 buckets
-- KEYS[2]  leases: a hash, process -> "sequence held live background used returned"
-- KEYS[3]  state: a hash of
--            gen            the generation: another one after the server has lost the limit
--            wait           until when nothing is granted, in milliseconds since 1970; negative: little is (a new limit)
--            sc             1 while more is waited for than there is
--            u              sum of KEYS[1]
--            held live back sums over KEYS[2]; nl, nb: processes with live, with background calls that wait
--            pb             the last bucket that was taken out
--            ms             milliseconds of a bucket
--            size win       the limit and its window, as the last exchange had them: to look at
-- KEYS[4]  expiries: a sorted set, process -> when its lease lapses, in milliseconds since 1970
--
-- ARGV  1 channel  2 what a message begins with  3 id and name  4 process  5 limit  6 window in milliseconds  7 sequence
--       8 used  9 used, acknowledged  10 returned  11 returned, acknowledged  12 held  13 live  14 background  15 spare
--       16 lease in milliseconds  17 reserved  18 generation known  19 history "age:units,..."  20 used by the
--       provider's count, or ''  21 what the first live call needs  22 what the first background call needs
--
-- Reply: status, generation, kept, live, background, spare, used, free, processes, scarce, retry (-1: no need), hold,
-- profile "units,..." by tenths of the window, the latest first
local BUCKETS, RESTATE_MS, NEW_MS, PACE = 100, 2500, 300, 5
local by, limit, window = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local sequence, used, used_known = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local returned, returned_known, held = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local live, back, spare = tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15])
local lease_ms, reserved = tonumber(ARGV[16]), tonumber(ARGV[17])
local least, least_back = tonumber(ARGV[21]), tonumber(ARGV[22])
local now = math.floor(micros / 1000)

local function text(number) return string.format('%.0f', number) end

local names = { 'wait', 'sc', 'u', 'held', 'live', 'back', 'nl', 'nb', 'pb', 'ms' }
local raw = redis.call('HMGET', KEYS[3], 'gen', unpack(names))
local state = { gen = raw[1] }
for i, name in ipairs(names) do state[name] = tonumber(raw[i + 1]) or 0 end

local function lease_of(process)
  local numbers = {}
  for part in string.gmatch(redis.call('HGET', KEYS[2], process) or '', '%d+') do
    numbers[#numbers + 1] = tonumber(part)
  end
  if #numbers < 6 then return nil end
  return { sequence = numbers[1], held = numbers[2], live = numbers[3], back = numbers[4], used = numbers[5],
    returned = numbers[6] }
end

-- A bucket is as long as it was for who made the limit: processes with different margins count in the same ones.
local ms = state.ms > 0 and state.ms or math.ceil(window / BUCKETS)
if not state.gen or math.floor(now / ms) <= state.pb then
  -- also when the clock was set back by more than the window
  state.gen, ms = nil, math.ceil(window / BUCKETS)
end
local span = math.ceil(window / ms)
local current = math.floor(now / ms)

-- before anything is changed: what an overtaken request takes out would be lost
local last = state.gen and lease_of(by)
if last and sequence <= last.sequence then return { 'stale' } end

local status, known = 'same', ARGV[18] ~= ''
if not state.gen then
  -- New, or lost by the server. Who knew it says so: nothing is granted until the others have come back and told what
  -- they used; meanwhile each goes on with its share. Of a limit that nobody knew, little is granted at first.
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
  state = { gen = text(micros) .. '-' .. by, wait = known and now + RESTATE_MS or -(now + NEW_MS), sc = 0, u = 0,
    held = 0, live = 0, back = 0, nl = 0, nb = 0, pb = current - span - 1, ms = ms }
  status = known and 'lost' or 'created'
  redis.call('PUBLISH', ARGV[1], ARGV[2] .. ' new ' .. ARGV[3])
elseif known and ARGV[18] ~= state.gen then
  status = 'restate'
  -- a newcomer made it, and did not know that the others knew another one
  local until_told = math.floor((tonumber(string.match(state.gen, '^%d+')) or 0) / 1000) + RESTATE_MS
  if state.wait <= 0 and now < until_told then state.wait = until_told end
end

-- what has left the window
local old_end = current - span - 1
if old_end - state.pb > 2 * span then
  redis.call('DEL', KEYS[1])
  state.u = 0
elseif old_end > state.pb then
  local old = {}
  for bucket = state.pb + 1, old_end do old[#old + 1] = text(bucket) end
  for _, units in ipairs(redis.call('HMGET', KEYS[1], unpack(old))) do state.u = state.u - (tonumber(units) or 0) end
  redis.call('HDEL', KEYS[1], unpack(old))
end
state.pb = math.max(state.pb, old_end)

local added = {}
local function record(bucket, units)
  if units <= 0 or bucket < current - span then return end
  -- what was taken out is never looked at again
  bucket = math.max(bucket, state.pb + 1)
  added[bucket] = (added[bucket] or 0) + units
  state.u = state.u + units
end

local function leave(lease)
  state.held = state.held - lease.held
  state.live = state.live - lease.live
  state.back = state.back - lease.back
  if lease.live > 0 then state.nl = state.nl - 1 end
  if lease.back > 0 then state.nb = state.nb - 1 end
end

-- leases that lapsed: what they held may have been used until now
for _, process in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, 50)) do
  local lease = lease_of(process)
  if lease then
    leave(lease)
    record(current, lease.held)
  end
  redis.call('HDEL', KEYS[2], process)
  redis.call('ZREM', KEYS[4], process)
end

local own = lease_of(by)
if own then leave(own) end
-- permits of a lease that lapsed are not valid any more
local kept = own and math.min(held, own.held) or 0

if ARGV[19] == '' then record(current, math.max(0, used - (own and own.used or used_known)))
else
  for age, units in string.gmatch(ARGV[19], '(%d+):(%d+)') do
    record(math.floor((now - tonumber(age)) / ms), tonumber(units))
  end
end
for bucket, units in pairs(added) do redis.call('HINCRBY', KEYS[1], text(bucket), units) end

-- What was reported and not used: taken from the oldest, so that no use that was recorded later leaves too early.
local give_back = ARGV[19] == '' and math.max(0, returned - (own and own.returned or returned_known)) or 0
if give_back > 0 then
  for bucket = current - span, current do
    if give_back <= 0 then break end
    local units = tonumber(redis.call('HGET', KEYS[1], text(bucket))) or 0
    local taken = math.min(units, give_back)
    if taken > 0 then
      redis.call('HINCRBY', KEYS[1], text(bucket), -taken)
      state.u = state.u - taken
      give_back = give_back - taken
    end
  end
end

-- Strangers: what the provider counts beyond what is recorded, or held and perhaps used. Believed one way only.
local strangers = (tonumber(ARGV[20]) or 0) - state.u - state.held - kept
if strangers > 0 then
  redis.call('HINCRBY', KEYS[1], text(current), strangers)
  state.u = state.u + strangers
end

local processes = redis.call('ZCARD', KEYS[4]) + (own and 0 or 1)
local free = limit - state.u - state.held - kept
if state.wait < 0 and -state.wait > now then
  free = math.min(free, math.floor(limit / PACE) - state.u - state.held - kept)
end
local holds = now < state.wait
-- Said again by who found it: one who was cut off when it was said, and asks for nothing, has to tell what it used too.
if holds and status == 'same' and string.sub(state.gen, -#by - 1) == '-' .. by then
  redis.call('PUBLISH', ARGV[1], ARGV[2] .. ' new ' .. ARGV[3])
end
local scarce = live + state.live > free
local room = free
if scarce then
  -- Paced while calls wait: what comes free in a lump is not let go in a lump, or the lump comes again every window.
  local recent, lately = {}, 0
  for bucket = current - math.floor(span / 10), current do recent[#recent + 1] = text(bucket) end
  for _, units in ipairs(redis.call('HMGET', KEYS[1], unpack(recent))) do lately = lately + (tonumber(units) or 0) end
  room = math.min(free, math.ceil(limit / PACE) - lately - state.held - kept)
  -- a call that costs more than that goes when nothing else did
  if lately + state.held + kept == 0 then room = math.min(free, math.max(room, least)) end
end

-- Less than what the first call needs would only be held: two that wait for more would hold it against each other.
local function useful(units, needed, most)
  if units >= needed then return units end
  return most >= needed and needed or 0
end

local granted, granted_back, granted_spare = 0, 0, 0
if not holds and room > 0 then
  if live > 0 then
    granted = scarce and math.min(live, room, math.max(1, math.ceil(room / (state.nl + 1)))) or live
    granted = useful(granted, least, room)
  end
  local open = room - granted - state.live - (live - granted) - reserved
  if back > 0 and open > 0 then
    granted_back = math.min(back, open, math.max(1, math.ceil(open / (state.nb + 1))))
    granted_back = useful(granted_back, least_back, open)
  end
  if not scarce and spare > kept then
    local rest = math.floor((free - granted - granted_back - state.live) / (2 * processes))
    granted_spare = math.max(0, math.min(spare - kept, rest))
  end
end

if scarce and state.sc == 0 then
  state.sc = 1
  redis.call('PUBLISH', ARGV[1], ARGV[2] .. ' scarce ' .. ARGV[3])
elseif not scarce and free > limit / 4 then
  state.sc = 0
end

local mine = { held = kept + granted + granted_back + granted_spare, live = live - granted, back = back - granted_back }
state.held = state.held + mine.held
state.live = state.live + mine.live
state.back = state.back + mine.back
if mine.live > 0 then state.nl = state.nl + 1 end
if mine.back > 0 then state.nb = state.nb + 1 end
redis.call('HSET', KEYS[2], by, table.concat({ text(sequence), text(mine.held), text(mine.live), text(mine.back),
  text(used), text(returned) }, ' '))
redis.call('ZADD', KEYS[4], now + lease_ms, by)
local fields = { 'gen', state.gen, 'size', text(limit), 'win', text(window) }
for _, name in ipairs(names) do
  fields[#fields + 1] = name
  fields[#fields + 1] = text(state[name])
end
redis.call('HSET', KEYS[3], unpack(fields))
for i = 1, 4 do redis.call('PEXPIRE', KEYS[i], math.max(window, lease_ms) * 2 + 60000) end

local oldest
local profile = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local bucket, units = tonumber(all[i]), tonumber(all[i + 1]) or 0
  if units > 0 and (not oldest or bucket < oldest) then oldest = bucket end
  local tenth = math.max(1, math.min(10, math.floor((current - bucket) * 10 / span) + 1))
  profile[tenth] = profile[tenth] + units
end
local retry = -1
if mine.live > 0 or mine.back > 0 then
  retry = math.ceil(window / 20)
  if holds then retry = state.wait - now
  elseif oldest and free - granted - granted_back <= 0 then retry = (oldest + span + 1) * ms - now end
  -- of a new limit most comes once it is new no more, and not when what was granted has left the window
  if -state.wait > now then retry = math.min(retry, -state.wait - now) end
end
return { status, state.gen, text(kept), text(granted), text(granted_back), text(granted_spare), text(state.u),
  text(free - granted - granted_back - granted_spare), text(processes), scarce and '1' or '0', text(retry),
  text(math.max(0, state.wait - now)), table.concat(profile, ',') }
