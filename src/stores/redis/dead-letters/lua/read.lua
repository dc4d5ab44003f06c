--[[
  Reads entries. Changes nothing.

  Input:
    ARGV[1] states | records | bodies
    ARGV[2] most bytes of a payload that is read
    ARGV[3...] ids
  Output:
    [1] the server's time
    [2] for each id that exists: id, state, and unless states alone are asked for the fields of its payload; nothing in
        their place where they are gone or too long
]]
local what, max_payload = ARGV[1], tonumber(ARGV[2])
local found = {}

local function fields_of(state)
  local stored = state and payload(state)
  if not stored then return false end
  local fields, size = {}, 0
  for i = 1, #stored, 2 do
    if what == 'bodies' or stored[i] == 'record' then
      fields[#fields + 1] = stored[i]
      fields[#fields + 1] = stored[i + 1]
      size = size + #stored[i + 1]
    end
  end
  return size <= max_payload and fields
end

for n = 3, #ARGV do
  local json = redis.call('HGET', STATES, ARGV[n])
  if json then found[#found + 1] = { ARGV[n], json, what ~= 'states' and fields_of(parse(json)) } end
end
return { whole(now), found }
