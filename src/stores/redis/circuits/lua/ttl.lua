-- How long the keys of a circuit live after their last use: one that nobody uses any more goes by itself.
-- Before it: state.lua, policy.lua.
local DAY = 86400000

local function keep_state()
  -- a closed one is needed for as long as a row of openings may go on
  redis.call('PEXPIRE', KEYS[1], circuit.override == '-' and math.max(DAY, policy.window_ms) or 30 * DAY)
end

local function keep_window() redis.call('PEXPIRE', KEYS[2], policy.window_ms * 2) end

local function keep_leases() redis.call('PEXPIRE', KEYS[3], policy.lease_ms * 2) end

local function keep_reporters() redis.call('PEXPIRE', KEYS[4], policy.window_ms * 2) end
